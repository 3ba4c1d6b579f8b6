"""Interception: callers call the port that they know, and there is no way around the sidecar."""

import ipaddress
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.kubernetes import restarts, wait_until
from tests.cluster.reference import Reference
from tests.cluster.release import Release
from tests.cluster.system import System

_APP_PORT = 8000


@pytest.fixture(scope="module")
def intercepted(reference: Reference, transparent: Callable[[], System]) -> Iterator[Release]:
    """An application that listens on every address, and is probed on its own port."""
    system = transparent()
    system.namespace.secret("verification-keys", reference.system.keys.public(reference.signing))
    path = {"httpGet": {"path": "/healthz", "port": _APP_PORT}}
    often = path | {"periodSeconds": 1}
    values = {
        "app": {
            "env": [{"name": "BIND", "value": "0.0.0.0"}],
            "probes": {"startup": often, "liveness": path, "readiness": often},
        },
        "interception": {"enabled": True},
    }
    release = system.release("intercepted", system.values(values))
    release.install(wait=False)
    release.wait_until_settled(1)
    reference.wait_until_led_to(release)
    yield release
    release.helm("uninstall", release.name)


@pytest.fixture(scope="module")
def switched(reference: Reference, transparent: Callable[[], System]) -> Iterator[Release]:
    """An application that listens on every address, not intercepted yet."""
    system = transparent()
    system.namespace.secret("verification-keys", reference.system.keys.public(reference.signing))
    values = {
        "workload": {"replicas": 2},
        "app": {
            "env": [{"name": "BIND", "value": "0.0.0.0"}],
            "extraPorts": [{"name": "more", "containerPort": 9000}],
        },
        # A node that tests keep busy may take its time to send callers elsewhere.
        "sidecar": {"config": {"shutdown": {"drain": "8s"}}},
    }
    release = system.release("switched", system.values(values))
    release.install(wait=False)
    release.wait_until_settled(2)
    reference.wait_until_led_to(release)
    yield release
    release.helm("uninstall", release.name)


def _pod_ip(release: Release) -> str:
    (pod,) = release.ready_pods()
    address: str = pod["status"]["podIP"]
    return address


def _ways(release: Release) -> list[str]:
    """Every way from another pod to the application."""
    address = _pod_ip(release)
    service = f"{release.name}.{release.namespace.name}"
    ways = [f"http://{service}", f"http://{address}:{_APP_PORT}"]
    if ":" not in address:
        number = ipaddress.IPv4Address(address)
        octets = address.split(".")
        ways += [
            f"http://{int(number)}:{_APP_PORT}",
            f"http://{int(number):#x}:{_APP_PORT}",
            f"http://{octets[0]}.{octets[1]}.{int(octets[3])}:{_APP_PORT}",
            f"http://[::ffff:{address}]:{_APP_PORT}",
        ]
    return ways


def test_the_kubelets_probes_pass_and_need_no_token(intercepted: Release) -> None:
    (pod,) = intercepted.ready_pods()
    (status,) = pod["status"]["containerStatuses"]

    assert (status["ready"], status["restartCount"]) == (True, 0)


def test_no_way_leads_around_the_sidecar(intercepted: Release, reference: Reference) -> None:
    ways = _ways(intercepted)

    answers = reference.client.ask(*(f"GET {way}/x" for way in ways))

    assert {way: answer.status for way, answer in zip(ways, answers, strict=True)} == dict.fromkeys(
        ways, 401
    )


def test_the_inbound_port_itself_is_no_way_either(
    intercepted: Release, reference: Reference
) -> None:
    answer = reference.client.ask_one(f"GET http://{_pod_ip(intercepted)}:15006/x")

    assert answer.status in {401, 421}


def test_a_token_opens_every_way(intercepted: Release, reference: Reference) -> None:
    token = reference.system.keys.token(reference.signing)
    ways = [way for way in _ways(intercepted) if "[" not in way]

    answers = reference.client.ask(*(f"GET {way}/x {token}" for way in ways))

    assert [answer.status for answer in answers] == [200] * len(ways)


def test_a_sidecar_that_has_ended_closes_the_door_and_comes_back(
    intercepted: Release, reference: Reference
) -> None:
    url = f"GET http://{_pod_ip(intercepted)}:{_APP_PORT}/x"
    (pod,) = intercepted.pod_names()
    with ThreadPoolExecutor() as pool:
        watched = pool.submit(reference.client.watch, 15.0, url)
        # Twice is at once: it breaks off whatever it is doing.
        kill = "import os, signal, time; os.kill(1, signal.SIGTERM); time.sleep(.2); os.kill(1, 15)"
        intercepted.namespace.kubectl(
            "exec", pod, "--container=sidecar", "--", "sh", "-c", f"python -c '{kill}' || true"
        )
        wait_until("the sidecar is started again", lambda: intercepted.restarts() == 1)
        intercepted.wait_until_settled(1)
        seen = watched.result()

    assert set(seen) <= {0, 401, 503}
    assert seen[0], "the door was never closed"
    (pod_now,) = intercepted.ready_pods()
    assert pod_now["metadata"]["name"] == pod
    assert restarts(pod_now) == 1
    assert reference.client.ask_one(url).status == 401


@pytest.mark.parametrize(
    "interception",
    [{"enabled": True}, {"enabled": True, "ports": [9000, _APP_PORT]}, {"enabled": False}],
    ids=["on", "of several ports", "off"],
)
def test_while_interception_changes_callers_are_served_and_nobody_gets_by(
    switched: Release, reference: Reference, interception: dict[str, Any]
) -> None:
    url = f"GET http://{switched.name}.{switched.namespace.name}/x"
    token = reference.system.keys.token(reference.signing, lifetime_s=25)

    with ThreadPoolExecutor() as pool:
        served = pool.submit(reference.client.watch, 20.0, f"{url} {token}")
        refused = pool.submit(reference.client.watch, 20.0, url)
        switched.upgrade({"interception": interception})

    assert set(served.result()) == {200}
    assert set(refused.result()) == {401}
    switched.wait_until_settled(2)
