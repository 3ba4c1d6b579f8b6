"""Ports that are declared opaque: bytes pass both ways as they are, and nothing else does."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.functional import redirected
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.hostile import NO_LINGER
from tests.functional.redirected import Redirected, Service, is_reset_at_once
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

Serve = Callable[[Callable[[socket.socket], None]], Service]


@pytest.fixture
def serve() -> Iterator[Serve]:
    services: list[Service] = []

    def start(talk: Callable[[socket.socket], None]) -> Service:
        services.append(Service(talk))
        return services[-1]

    yield start
    for service in services:
        service.close()


def start(launch: Launch, port: int, **configuration: object) -> SidecarProcess:
    settings = {
        "auth": {"mode": "off"},
        "upstream": "original-dst",
        "opaque_ports": [port],
        **configuration,
    }
    return launch(settings, command=redirected.COMMAND)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def test_bytes_of_any_kind_pass_both_ways_as_they_are(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port)
    every_byte = bytes(range(256)) * 40
    with Redirected(sidecar.inbound_address, service.port) as client:
        for data in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\n", b"\r\n\r\n\x00\r\nQUIT\n", every_byte):
            client.send(data)
            assert client.receive(len(data)) == data


def test_a_byte_that_is_urgent_passes_in_its_place(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port)
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"ABO")
        client.socket.send(b"R", socket.MSG_OOB)
        client.send(b"\r\n")
        assert client.receive(6) == b"ABOR\r\n"


def test_a_server_that_speaks_first_is_heard(launch: Launch, serve: Serve) -> None:
    service = serve(lambda connection: connection.sendall(b"220 mail ready\r\n"))
    sidecar = start(launch, service.port)
    with Redirected(sidecar.inbound_address, service.port) as client:
        assert client.rest() == b"220 mail ready\r\n"


def test_one_side_may_end_before_the_other(launch: Launch, serve: Serve) -> None:
    def count(connection: socket.socket) -> None:
        size = 0
        while data := connection.recv(1 << 16):
            size += len(data)
        connection.sendall(b"%d" % size)

    service = serve(count)
    sidecar = start(launch, service.port)
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"x" * 300_000)
        client.end_sending()
        assert client.rest() == b"300000"


def test_a_reset_is_passed_on_as_a_reset(launch: Launch, serve: Serve) -> None:
    def crash(connection: socket.socket) -> None:
        connection.recv(4)
        connection.sendall(b"part")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)

    service = serve(crash)
    sidecar = start(launch, service.port)
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"ask!")
        assert client.is_reset()


def test_what_was_said_before_a_reset_is_heard(launch: Launch, serve: Serve) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(4)
        connection.sendall(b"too much")  # much of what was said is not read: this ends in a reset

    service = serve(refuse)
    sidecar = start(launch, service.port)
    for _ in range(30):
        with Redirected(sidecar.inbound_address, service.port) as client:
            with suppress(ConnectionError):
                client.send(bytes(16 << 20))
            assert client.rest() == b"too much"


def test_nobody_fills_the_sidecars_memory_by_reading_slowly(launch: Launch, serve: Serve) -> None:
    total, piece = 64 << 20, os.urandom(1 << 16)
    sent = [0]

    def send_much(connection: socket.socket) -> None:
        while sent[0] < total:
            connection.sendall(piece)
            sent[0] += len(piece)

    def is_stopped() -> bool:
        before = sent[0]
        time.sleep(0.1)
        return 0 < sent[0] == before < total

    service = serve(send_much)
    sidecar = start(launch, service.port)
    before = sidecar.peak_memory_bytes()
    with Redirected(sidecar.inbound_address, service.port) as client:
        wait_until(is_stopped, "the sender is stopped")
        size = 0
        while data := client.socket.recv(1 << 18):
            size += len(data)
    assert size == total
    assert sidecar.peak_memory_bytes() - before < 16 << 20


def test_an_application_that_does_not_listen_is_a_reset(launch: Launch) -> None:
    port = free_port()
    sidecar = start(launch, port)
    assert is_reset_at_once(sidecar.inbound_address, port)
    sidecar.wait_for_log("was not reached at an opaque port")
    metrics = sidecar.metrics()
    assert (
        metrics.value("sidecar_opaque_connections_total", port=str(port), result="unreachable") == 1
    )


def test_other_ports_are_as_they_were(launch: Launch, serve: Serve) -> None:
    opaque, other = serve(echo), serve(echo)
    sidecar = start(launch, opaque.port)
    with Redirected(sidecar.inbound_address, other.port) as client:
        answer = client.exchange(request("/"))
    assert (answer.status, answer.problem_reason) == (421, "port_not_served")
    assert other.accepted == 0
    # A connection that nobody redirected cannot choose to be opaque, whatever it sends.
    with sidecar.connect() as direct:
        direct.send(b"\x16\x03\x01\x00")
        assert direct.response().status == 400
    assert opaque.accepted == 0


def test_connections_and_bytes_are_counted_while_they_last(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port)
    port = str(service.port)
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"12345")
        client.receive(5)
        metrics = sidecar.metrics()
        assert metrics.value("sidecar_opaque_connections_open", port=port) == 1
        assert metrics.value("sidecar_opaque_bytes_total", port=port, direction="in") == 5
        assert metrics.value("sidecar_opaque_bytes_total", port=port, direction="out") == 5
        assert metrics.value("sidecar_connections_open") == 1

    def is_over() -> bool:
        return sidecar.metrics().value("sidecar_opaque_connections_open", port=port) == 0

    wait_until(is_over, "the connection is over")
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_opaque_connections_total", port=port, result="carried") == 1
    assert metrics.value("sidecar_connections_open") == 0


def test_they_count_against_the_limit_of_connections(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port, limits={"connections": 1})
    with Redirected(sidecar.inbound_address, service.port) as first:
        first.send(b"a")
        first.receive(1)
        assert is_reset_at_once(sidecar.inbound_address, service.port)
        first.send(b"b")
        assert first.receive(1) == b"b"
    assert sidecar.metrics().value("sidecar_opaque_connections_total", result="refused") == 1


def test_they_are_cut_at_the_end_of_the_grace(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port, shutdown={"drain": "0s", "grace": "300ms"})
    with Redirected(sidecar.inbound_address, service.port) as client:
        client.send(b"a")
        client.receive(1)
        sidecar.signal(signal.SIGTERM)
        client.is_reset()
    assert sidecar.wait() == 0


def test_that_no_token_is_asked_for_is_said_at_the_start(launch: Launch, serve: Serve) -> None:
    service = serve(echo)
    sidecar = start(launch, service.port)
    sidecar.wait_for_log("pass unread, and without a token")
