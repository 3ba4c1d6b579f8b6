"""What happens to pods in an ordinary week costs no request."""

import json

from tests.cluster.kubernetes import CommandFailed, wait_until
from tests.cluster.reference import LOGIN_URL, REPLICAS, THOUGHTS_URL, Reference


def test_an_upgrade_and_its_rollback_cost_no_request(reference: Reference) -> None:
    before = set(reference.thoughts.pod_names())

    with reference.client.without_a_failure([THOUGHTS_URL, LOGIN_URL]):
        reference.thoughts.upgrade({"app": {"version": {"name": "v2.4"}}})
        reference.thoughts.wait_until_settled(REPLICAS)
        between = set(reference.thoughts.pod_names())
        reference.thoughts.roll_back()
        reference.thoughts.wait_until_settled(REPLICAS)

    assert not before & between
    assert '"v2.3"' in reference.client.ask_one(f"GET {THOUGHTS_URL}/version").text


def test_fewer_and_more_replicas_cost_no_request(reference: Reference) -> None:
    with reference.client.without_a_failure([THOUGHTS_URL]):
        for replicas in (1, REPLICAS):
            reference.system.namespace.kubectl(
                "scale", "deployment", reference.thoughts.name, f"--replicas={replicas}"
            )
            reference.thoughts.wait_until_settled(replicas)


def test_a_deleted_pod_costs_no_request(reference: Reference) -> None:
    pod, *_ = reference.thoughts.pod_names()

    with reference.client.without_a_failure([THOUGHTS_URL]):
        reference.system.namespace.kubectl("delete", "pod", pod, "--wait=true")
        reference.thoughts.wait_until_settled(REPLICAS)


def test_the_eviction_of_every_pod_costs_no_request(reference: Reference) -> None:
    refused = 0
    with reference.client.without_a_failure([THOUGHTS_URL]):
        for pod in reference.thoughts.pod_names():
            refused += _evict(reference, pod)
        reference.thoughts.wait_until_settled(REPLICAS)

    assert refused, "the budget held nobody back"


def _evict(reference: Reference, pod: str) -> int:
    """How often the budget refused before it let the pod go."""
    namespace = reference.system.namespace
    refused = 0
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace.name},
    }
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction"

    def is_evicted() -> bool:
        nonlocal refused
        try:
            namespace.kubectl("create", "--raw", path, "--filename=-", text=json.dumps(eviction))
        except CommandFailed as error:
            if "disruption budget" not in str(error):
                raise
            refused += 1
            return False
        return True

    wait_until(f"{pod} is evicted", is_evicted)
    return refused
