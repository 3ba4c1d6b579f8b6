"""A keyring's Secret that is missing, or loses everything."""

from tests.cluster.kubernetes import PROPAGATION_S, wait_until
from tests.cluster.reference import Reference


def test_a_missing_secret_is_named_and_an_emptied_one_costs_nothing(reference: Reference) -> None:
    system, keys = reference.system, reference.system.keys
    values = system.values({"keyring": {"existingSecret": "late-keys"}})
    late = system.release("late", values)
    late.install(wait=False)
    (pod,) = wait_until("it is made", lambda: [pod["metadata"]["name"] for pod in late.pods()])
    wait_until(
        "the pod's events name the Secret",
        lambda: 'secret "late-keys" not found' in late.namespace.events(pod),
    )

    late.namespace.secret("late-keys", keys.public("2026-11"))
    late.wait_until_settled(1)
    late.namespace.secret("late-keys", {})
    wait_until(
        "the log says that the keys are kept",
        lambda: "its last good keys stay in use" in late.log(pod),
        patience_s=PROPAGATION_S,
    )

    question = f"GET http://late/x {keys.token('2026-11')}"
    assert reference.client.ask_one(question).status == 200
    assert late.restarts() == 0
    late.helm("uninstall", late.name)
