"""Load balancers that say whose connection they pass on, and others that may not."""

import socket
import struct
from pathlib import Path

import pytest

from tests.functional import redirected
from tests.functional.application import Application
from tests.functional.client import Client, Response, request
from tests.functional.conftest import Launch
from tests.functional.redirected import Redirected, Service, is_reset_at_once
from tests.functional.sidecar_process import SidecarProcess, wait_until

V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(source: str = "203.0.113.9", *, command: int = 1, tlvs: bytes = b"") -> bytes:
    """A header of version 2."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    packed = socket.inet_pton(family, source)
    addresses = packed + packed + struct.pack("!HH", 4711, 443)
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    head = struct.pack("!12sBBH", SIGNATURE, 0x20 | command, kind, len(addresses) + len(tlvs))
    return head + addresses + tlvs


def start(
    launch: Launch, application: Application, *networks: str, **more: object
) -> SidecarProcess:
    configuration = {
        "auth": {"mode": "off"},
        "log": {"access": "all"},
        "proxy_protocol": {"from": list(networks) or ["127.0.0.1"]},
        **more,
    }
    return launch(configuration, application=application)


def ask(sidecar: SidecarProcess, data: bytes) -> Response:
    with sidecar.connect() as client:
        client.send(data)
        return client.response()


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (V1, b"203.0.113.9"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", b"2001:db8::7"),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:192.0.2.1 4711 443\r\n", b"203.0.113.9"),
        (v2(), b"203.0.113.9"),
        (v2("2001:db8::7"), b"2001:db8::7"),
        (v2(tlvs=b"\x04\x00\x03abc\xea\x00\x01x"), b"203.0.113.9"),
    ],
)
def test_the_peer_is_the_one_that_the_header_says(
    launch: Launch, application: Application, header: bytes, peer: bytes
) -> None:
    sidecar = start(launch, application)
    answer = ask(sidecar, header + request("/a", "X-Request-ID: one", "X-Forwarded-For: 10.9.9.9"))
    assert answer.status == 200
    assert application.last.value("X-Forwarded-For") == b"10.9.9.9, " + peer
    assert sidecar.access_line("one")["peer"] == peer.decode()


@pytest.mark.parametrize("header", [V1, v2(tlvs=b"\x04\x00\x03abc")])
def test_a_header_that_comes_byte_by_byte_is_read(
    launch: Launch, application: Application, header: bytes
) -> None:
    sidecar = start(launch, application)
    with sidecar.connect() as client:
        client.send_bytewise(header + request("/a"))
        assert client.response().status == 200
        assert client.exchange(request("/b")).status == 200
    assert application.last.value("X-Forwarded-For") == b"203.0.113.9"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2("0.0.0.0", command=0)])
def test_the_load_balancers_own_health_check_is_answered(
    launch: Launch, application: Application, header: bytes
) -> None:
    sidecar = start(launch, application)
    assert ask(sidecar, header + request("/")).status == 200
    assert application.last.value("X-Forwarded-For") == b"127.0.0.1"


@pytest.mark.parametrize(
    "opening",
    [
        request("/"),
        b"PROXY TCP4 999.0.113.9 192.0.2.1 4711 443\r\n" + request("/"),
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\n" + request("/"),
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x21\x11\xff\xff" + request("/"),
        SIGNATURE + b"\x31\x11\x00\x0c" + request("/"),
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_a_connection_of_that_network_without_a_good_header_is_refused(
    launch: Launch, application: Application, opening: bytes
) -> None:
    sidecar = start(launch, application)
    answer = ask(sidecar, opening)
    assert (answer.status, answer.problem_reason) == (400, "bad_proxy_header")
    assert application.requests == []


@pytest.mark.parametrize("header", [V1, v2()])
def test_nobody_else_can_say_who_they_are(
    launch: Launch, application: Application, header: bytes
) -> None:
    sidecar = start(launch, application, "10.0.0.0/8")
    assert ask(sidecar, header + request("/")).status == 400
    assert application.requests == []
    assert ask(sidecar, request("/")).status == 200
    assert application.last.value("X-Forwarded-For") == b"127.0.0.1"


def test_a_second_header_is_no_header(launch: Launch, application: Application) -> None:
    sidecar = start(launch, application)
    assert ask(sidecar, V1 + V1 + request("/")).status == 400
    assert application.requests == []


def test_a_header_that_does_not_come_is_a_time_out(
    launch: Launch, application: Application
) -> None:
    sidecar = start(launch, application, timeouts={"header": "300ms"})
    for beginning in (b"", b"PROXY TCP4 203."):
        answer = ask(sidecar, beginning)
        assert (answer.status, answer.problem_reason) == (408, "header_timeout")


def test_those_that_wait_for_a_header_count_against_the_limit(
    launch: Launch, application: Application
) -> None:
    sidecar = start(launch, application, limits={"connections": 1})
    with sidecar.connect() as first:
        first.send(b"PROXY")
        answer = ask(sidecar, b"")
        assert answer.status == 503
        first.send(V1.removeprefix(b"PROXY") + request("/"))
        assert first.response().status == 200


def test_the_peers_of_a_unix_socket_are_a_network_of_their_own(
    launch: Launch, application: Application, tmp_path: Path
) -> None:
    path = str(tmp_path / "in.sock")
    sidecar = start(launch, application, "unix", listen=f"unix:{path}")
    with Client(path) as client:
        client.send(V1 + request("/"))
        assert client.response().status == 200
    assert application.last.value("X-Forwarded-For") == b"203.0.113.9"
    assert sidecar.metrics().value("sidecar_connections_open") == 0


def test_an_opaque_port_gets_the_bytes_without_the_header(
    launch: Launch, application: Application
) -> None:
    def echo(connection: socket.socket) -> None:
        while data := connection.recv(1 << 16):
            connection.sendall(data)

    service = Service(echo)
    sidecar = launch(
        {
            "auth": {"mode": "off"},
            "upstream": "original-dst",
            "opaque_ports": service.port,
            "proxy_protocol": {"from": "127.0.0.0/8"},
            "limits": {"connections": 1},
        },
        command=redirected.COMMAND,
    )

    def is_none_open() -> bool:
        return sidecar.metrics().value("sidecar_connections_open") == 0

    with Redirected(sidecar.inbound_address, service.port) as client:  # the only one there may be
        assert is_reset_at_once(sidecar.inbound_address, service.port)
        client.send(V1 + b"hello")
        assert client.receive(5) == b"hello"
    wait_until(is_none_open, "none is counted")
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"hello")
        assert client.is_reset()
    refused = sidecar.metrics().value(
        "sidecar_opaque_connections_total", port=str(service.port), result="refused"
    )
    assert refused == 2
    wait_until(is_none_open, "none is counted")
    service.close()
