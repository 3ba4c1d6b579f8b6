"""A pod's beginning and end: the sidecar is there first, and goes last."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.kubernetes import wait_until
from tests.cluster.reference import Reference
from tests.cluster.release import ADMIN_PORT, Release


@pytest.fixture(scope="module", params=["auto", False], ids=["native", "container"])
def lone(request: pytest.FixtureRequest, reference: Reference) -> Iterator[Release]:
    """One pod, whose application asks the sidecar when it starts and when it stops.

    The sidecar is a native one where the cluster has them, and a container as before there were.
    """
    sidecar = {"native": request.param, "config": {"shutdown": {"drain": "2s", "grace": "8s"}}}
    gate = [{"name": "GATE", "value": f"http://127.0.0.1:{ADMIN_PORT}/live"}]
    system = reference.system
    release = system.release("lone", system.values({"app": {"env": gate}, "sidecar": sidecar}))
    release.install(wait=False)
    release.wait_until_settled(1)
    reference.wait_until_led_to(release)
    yield release
    release.uninstall()


def test_the_sidecar_serves_before_the_application_starts(lone: Release) -> None:
    (pod,) = lone.pod_names()

    assert "started: the gate answered 200" in lone.log(pod, "app")


def test_the_last_requests_are_answered_and_a_native_sidecar_goes_last(
    lone: Release, reference: Reference
) -> None:
    (pod,) = lone.pod_names()
    token = reference.system.keys.token(reference.signing)
    follow = ["kubectl", f"--namespace={lone.namespace.name}", "logs", "--follow", pod]
    with (
        subprocess.Popen([*follow, "--container=app"], stdout=subprocess.PIPE, text=True) as log,
        ThreadPoolExecutor() as pool,
    ):
        try:
            url = f"GET http://lone/slow?seconds=5 {token}"
            asked = pool.submit(reference.client.ask_one, url)
            wait_until("it is on its way", lambda: asked.done() or _in_flight(lone, pod) == 1)
            assert not asked.done(), asked.result()
            lone.namespace.kubectl("delete", "pod", pod, "--wait=true")
            answer = asked.result()
            said, _ = log.communicate(timeout=30)
        finally:
            log.kill()

    assert (answer.status, pod in answer.text) == (200, True)
    # A container beside the application has no use for staying once the last answer is out.
    is_native = lone.values["sidecar"]["native"] == "auto"
    assert ("stopped: the gate answered 200" in said) == is_native


def _in_flight(release: Release, pod: str) -> float:
    lines = release.admin(pod, "/metrics").splitlines()
    (line,) = [line for line in lines if line.startswith("sidecar_requests_in_flight ")]
    return float(line.split()[1])
