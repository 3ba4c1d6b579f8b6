"""From `helm install` to the first answers, in a namespace that enforces "restricted"."""

import sys
import time

from tests.cluster.reference import THOUGHTS_URL, USERS_URL, Reference

READY_WITHIN_S = 15


def test_a_release_is_ready_in_seconds(reference: Reference) -> None:
    release = reference.system.release("quick", reference.system.values())
    began = time.monotonic()

    release.install(wait=False)
    release.wait_until_settled(1)

    took_s = time.monotonic() - began
    sys.stdout.write(f"from helm install to ready: {took_s:.1f} s")  # shown with -rP
    release.helm("uninstall", release.name)
    assert took_s < READY_WITHIN_S


def test_callers_of_the_service_need_a_token(reference: Reference) -> None:
    token = reference.system.keys.token(reference.signing)

    without, wrong, with_token = reference.client.ask(
        f"GET {THOUGHTS_URL}/x",
        f"GET {THOUGHTS_URL}/x not.a.token",
        f"GET {THOUGHTS_URL}/x {token}",
    )

    assert [without.status, wrong.status, with_token.status] == [401, 401, 200]


def test_the_service_says_which_version_runs(reference: Reference) -> None:
    answer = reference.client.ask_one(f"GET {USERS_URL}/version")

    assert '"version":"v1.6"' in answer.text.replace(" ", "")


def test_the_application_cannot_be_reached_past_the_sidecar(reference: Reference) -> None:
    (pod, *_) = reference.thoughts.ready_pods()

    answer = reference.client.ask_one(f"GET http://{pod['status']['podIP']}:8000/x")

    assert answer.status == 0


def test_the_releases_own_test_passes(reference: Reference) -> None:
    for release in reference.releases:
        shown = release.helm("test", release.name, "--logs")

        version = release.values["app"]["version"]["name"]
        assert f"ok: {release.name} says on /version that it is {version}" in shown
        # Whoever comes to the frontend may come without a token.
        assert ("is refused" in shown) == (release is not reference.frontend)
