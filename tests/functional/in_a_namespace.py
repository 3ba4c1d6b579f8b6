"""Redirected by the kernel itself: run by ``test_kernel.py`` in a network namespace of its own.

There are two addresses of each family: connections to those of the service come redirected to the
inbound port, those to the addresses of another come to the outbound port; the sidecar's own group
is left alone. All of it is gone with the namespace.
"""

import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.application import Application
from tests.functional.client import Client, heard_before_the_cut, request
from tests.functional.conftest import Launch
from tests.functional.sidecar_process import COMMAND, SidecarProcess

GROUP = 1337
AS_THE_GROUP = ("setpriv", f"--regid={GROUP}", "--clear-groups", *COMMAND)
HERE, THERE = ("10.1.1.1", "fd01::1"), ("10.2.2.2", "fd02::2")
PORT, OPAQUE_PORT, UNLISTED_PORT = 8000, 5432, 8001

RULES = f"""
table inet test {{
  chain output {{
    type nat hook output priority -100; policy accept;
    meta skgid {GROUP} return
    ip daddr {HERE[0]} meta l4proto tcp redirect to :15006
    ip6 daddr {HERE[1]} meta l4proto tcp redirect to :15006
    ip daddr {THERE[0]} meta l4proto tcp redirect to :15001
    ip6 daddr {THERE[1]} meta l4proto tcp redirect to :15001
  }}
}}
"""

by_family = pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])


def run(*command: str, text: str = "") -> None:
    subprocess.run(command, input=text, text=True, check=True, timeout=20)


@pytest.fixture(scope="module", autouse=True)
def namespace() -> None:
    run("ip", "link", "set", "lo", "up")
    for address in (*HERE, *THERE):
        options = ("/128", "nodad") if ":" in address else ("/32",)
        run("ip", "address", "add", address + options[0], "dev", "lo", *options[1:])
    run("nft", "-f", "-", text=RULES)


def start(launch: Launch, **configuration: Any) -> SidecarProcess:
    settings = {
        "auth": {"mode": "off"},
        "listen": "[::]:15006",
        "upstream": {"url": "original-dst", "ports": [PORT]},
        "opaque_ports": [OPAQUE_PORT],
        "outbound": {"listen": ["127.0.0.1:15001", "[::1]:15001"]},
        **configuration,
    }
    return launch(settings, command=AS_THE_GROUP)


class Listening(Application):
    """The application at a given address."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._fixed_port = host, port
        super().__init__()

    def listen(self) -> None:
        listener = socket.create_server(
            (self._host, self._fixed_port),
            family=socket.AF_INET6 if ":" in self._host else socket.AF_INET,
            backlog=64,
        )
        self._listener = listener
        self._start(self._accept, listener)


@pytest.fixture
def applications() -> Iterator[list[Application]]:
    started: list[Application] = []
    yield started
    for application in started:
        application.close()


@by_family
def test_a_redirected_connection_reaches_the_port_that_it_was_made_to(
    launch: Launch, applications: list[Application], family: int
) -> None:
    applications.append(Listening(("127.0.0.1", "::1")[family], PORT))
    start(launch)
    with Client((HERE[family], PORT)) as client:
        assert client.exchange(request("/a")).status == 200
    received = applications[0].last
    assert received.target == b"/a"
    assert received.value("X-Forwarded-For").decode() == HERE[family]


@by_family
def test_an_application_that_listens_on_the_other_loopback_is_found(
    launch: Launch, applications: list[Application], family: int
) -> None:
    applications.append(Listening(("::1", "127.0.0.1")[family], PORT))
    start(launch)
    with Client((HERE[family], PORT)) as client:
        assert client.exchange(request("/a")).status == 200


@by_family
def test_an_application_that_listens_on_the_pods_address_is_found(
    launch: Launch, applications: list[Application], family: int
) -> None:
    applications.append(Listening(HERE[family], PORT))
    start(launch, upstream={"url": "original-dst", "host": "destination"})
    with Client((HERE[family], PORT)) as client:
        assert client.exchange(request("/a")).status == 200
    assert applications[0].last.value("X-Forwarded-For").decode() == HERE[family]


@by_family
def test_ports_that_are_not_listed_and_our_own_are_refused(launch: Launch, family: int) -> None:
    sidecar = start(launch)
    for port in (UNLISTED_PORT, sidecar.admin_address[1], 15001):
        with Client((HERE[family], port)) as client:
            answer = client.exchange(request("/"))
        assert (answer.status, answer.problem_reason) == (421, "port_not_served")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_connection_that_the_kernel_did_not_redirect_is_refused(
    launch: Launch, host: str
) -> None:
    start(launch)
    with Client((host, 15006)) as client:
        answer = client.exchange(request("/"))
    assert (answer.status, answer.problem_reason) == (421, "not_intercepted")


def test_an_opaque_port_is_carried(launch: Launch) -> None:
    listener = socket.create_server(("127.0.0.1", OPAQUE_PORT))
    start(launch)
    with Client((HERE[0], OPAQUE_PORT)) as client, listener:
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"ready")
            assert client.socket.recv(5) == b"ready"


@by_family
def test_a_call_reaches_whom_it_was_made_to_and_does_not_come_back(
    launch: Launch, applications: list[Application], family: int
) -> None:
    applications.append(Listening(THERE[family], PORT))
    sidecar = start(launch, service="caller")
    with Client((THERE[family], PORT)) as client:
        assert client.exchange(request("/call")).status == 200
    assert applications[0].last.value("X-Client-Service") == b"caller"
    assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 0


@by_family
def test_a_call_that_was_not_redirected_is_cut(launch: Launch, family: int) -> None:
    sidecar = start(launch)
    assert heard_before_the_cut((("127.0.0.1", "::1")[family], 15001)) == b""
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_outbound_failures_total", reason="not_intercepted") == 1


@by_family
def test_a_call_to_the_sidecar_itself_is_cut(launch: Launch, family: int) -> None:
    sidecar = start(launch)
    assert heard_before_the_cut((THERE[family], 15006)) == b""
    assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 1
