"""The application's own calls, redirected to the sidecar, reach whom they were made to."""

import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.functional import redirected
from tests.functional.application import Application, Request, Talk, answering
from tests.functional.client import heard_before_the_cut, request
from tests.functional.conftest import Launch
from tests.functional.hostile import NO_LINGER
from tests.functional.redirected import Redirected, Service, is_reset_at_once
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

SWITCHING = b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
PATIENT = "5s"  # held back for so long, a test would notice


class Calling:
    """A sidecar, and the port where calls are redirected to."""

    def __init__(self, launch: Launch, **configuration: Any) -> None:
        self.address = ("127.0.0.1", free_port())
        self.own_port = self.address[1]
        listen = f"127.0.0.1:{self.own_port}"
        outbound = {"listen": listen, **configuration.pop("outbound", {})}
        self.sidecar: SidecarProcess = launch(
            {
                "service": "thoughts-backend",
                "auth": {"mode": "off"},
                "outbound": outbound,
                "version": {"paths": []},
                **configuration,
            },
            environment={"VERSION_NAME": "v2.4", "VERSION_SHA": "abc1234"},
            command=redirected.COMMAND,
        )

    def call(self, port: int) -> Redirected:
        """A connection of the application to ``port`` of this machine."""
        return Redirected(self.address, port)

    def total(self, name: str, **labels: str) -> float:
        samples = self.sidecar.metrics().samples(f"sidecar_outbound_{name}")
        return sum(value for found, value in samples if labels.items() <= found.items())


@pytest.fixture
def service() -> Iterator[Application]:
    """A service that the application calls."""
    service = Application()
    yield service
    service.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], Service]]:
    services: list[Service] = []

    def start(talk: Callable[[socket.socket], None]) -> Service:
        services.append(Service(talk))
        return services[-1]

    yield start
    for each in services:
        each.close()


Serve = Callable[[Callable[[socket.socket], None]], Service]


def port_of(service: Application) -> int:
    return int(service.url.rpartition(":")[2])


def dependency(service: Application, host: str = "users-service") -> Mapping[str, Any]:
    return {"users-backend": {"url": f"http://{host}:{port_of(service)}/version", "gate": "never"}}


# --- HTTP ---


def test_a_request_says_who_calls_and_is_otherwise_as_it_was(
    launch: Launch, service: Application
) -> None:
    calling = Calling(launch)
    raw = (
        b"GET /a?b=%2F HTTP/1.1\r\nhOST: users-service\r\nAuthorization: Bearer xyz\r\n"
        b"X-Twice: 1\r\nX-twice:2\r\nConnection: keep-alive, X-Own\r\nX-Own:   spaced  \r\n\r\n"
    )
    with calling.call(port_of(service)) as client:
        assert client.exchange(raw).status == 200
    head = service.last.head
    assert head.startswith(raw[:-2])
    added = head[len(raw) - 2 :].decode()
    assert re.fullmatch(
        "X-Client-Service: thoughts-backend\r\nX-Client-Version: v2.4\r\n"
        "X-Request-ID: [0-9a-f]{32}\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n\r\n",
        added,
    )


def test_what_the_application_says_itself_stays(launch: Launch, service: Application) -> None:
    calling = Calling(launch)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with calling.call(port_of(service)) as client:
        client.exchange(request("/", "X-Request-ID: mine", f"traceparent: {trace}"))
    assert service.last.value("X-Request-ID") == b"mine"
    assert service.last.value("traceparent") == trace.encode()


def test_a_name_that_was_copied_from_another_caller_is_replaced(
    launch: Launch, service: Application
) -> None:
    calling = Calling(launch)
    with calling.call(port_of(service)) as client:
        client.exchange(request("/", "x-client-service: web", "X-Client-Version: v9", "X-A: 1"))
    assert service.last.value("X-Client-Service") == b"thoughts-backend"
    assert service.last.value("X-Client-Version") == b"v2.4"
    assert service.last.value("X-A") == b"1"


@pytest.mark.parametrize(("word", "flags"), [("sampled", b"-01"), ("off", None)])
def test_the_trace_is_as_it_is_configured(
    launch: Launch, service: Application, word: str, flags: bytes | None
) -> None:
    calling = Calling(launch, outbound={"traceparent": word})
    with calling.call(port_of(service)) as client:
        client.exchange(request("/"))
    found = service.last.values("traceparent")
    assert [value[-3:] for value in found] == ([flags] if flags else [])


def test_every_request_on_a_connection_is_marked(launch: Launch, service: Application) -> None:
    calling = Calling(launch)
    service.answer = answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    )
    body = b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with calling.call(port_of(service)) as client:
        for raw in (request("/a"), body, request("/c", method="PUT", body=b"x" * 1000)):
            assert client.exchange(raw).status == 200
        client.send(request("/d") + request("/e"))
        assert client.response().status == client.response().status == 200
    assert [each.target for each in service.requests] == [b"/a", b"/b", b"/c", b"/d", b"/e"]
    assert all(each.values("X-Client-Service") for each in service.requests)
    assert service.requests[1].body == b"abc"
    assert len(service.talks) == 1


def test_answers_are_counted_under_the_dependency_that_gave_them(
    launch: Launch, service: Application
) -> None:
    calling = Calling(launch, dependencies=dependency(service))
    service.answer = answering(
        b"HTTP/1.1 404 No\r\nX-Service-Version: v3.1\r\nContent-Length: 0\r\n\r\n"
    )
    with calling.call(port_of(service)) as client:
        client.exchange(request("/", host="Users-Service."))
        client.exchange(request("/", host="somebody-else"))
    assert calling.total("requests_total", dependency="users-backend", code="404") == 1
    assert calling.total("requests_total", dependency="other", code="404") == 1
    metrics = calling.sidecar.metrics()
    assert metrics.nonzero("sidecar_dependency_observed_info") == {("users-backend", "v3.1"): 1}


def test_what_a_dependency_says_of_its_version_cannot_make_labels_grow(
    launch: Launch, service: Application
) -> None:
    calling = Calling(launch, dependencies=dependency(service))
    claims = [*(f"v1.{number}" for number in range(30)), 'x"} 1', "v" * 5000, "not a version", ""]
    with calling.call(port_of(service)) as client:
        for claim in claims:
            fields = f"X-Service-Version: {claim}\r\nContent-Length: 0\r\n\r\n"
            service.answer = answering(b"HTTP/1.1 200 OK\r\n" + fields.encode())
            assert client.exchange(request("/", host="users-service")).status == 200
    observed = calling.sidecar.metrics().nonzero("sidecar_dependency_observed_info")
    assert set(observed) == {("users-backend", f"v1.{number}") for number in range(22, 30)}


def test_a_request_that_is_not_by_the_book_passes_as_it_is(launch: Launch, serve: Serve) -> None:
    received = []

    def lenient(connection: socket.socket) -> None:
        received.append(connection.recv(1 << 16))
        connection.sendall(b"HTTP/1.1 200\r\nBad Field : 1\r\n\r\nbody")

    service = serve(lenient)
    calling = Calling(launch, outbound={"detect_timeout": PATIENT})
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nOdd Field: 1\r\n\r\n"
    with calling.call(service.port) as client:
        client.send(raw)
        assert client.rest() == b"HTTP/1.1 200\r\nBad Field : 1\r\n\r\nbody"
    assert received == [raw]


def test_a_web_socket_passes(launch: Launch, serve: Serve) -> None:
    def switch(connection: socket.socket) -> None:
        assert b"X-Client-Service" in connection.recv(1 << 16)
        connection.sendall(SWITCHING)
        while data := connection.recv(1 << 16):
            connection.sendall(data)

    service = serve(switch)
    calling = Calling(launch, outbound={"detect_timeout": PATIENT})
    with calling.call(service.port) as client:
        client.send(request("/", "Upgrade: websocket", "Connection: upgrade"))
        assert client.receive(len(SWITCHING)) == SWITCHING
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x81\x05hello"):
            client.send(data)
            assert client.receive(len(data)) == data


def test_a_head_that_comes_slowly_is_not_held_back_for_long(launch: Launch, serve: Serve) -> None:
    service = serve(lambda connection: connection.sendall(connection.recv(1 << 16)))
    calling = Calling(launch, outbound={"detect_timeout": "50ms"})
    with calling.call(service.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a")
        assert client.rest() == b"GET / HTTP/1.1\r\nHost: a"


# --- everything else ---


@pytest.mark.parametrize(
    "opening",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET key\r\n",  # Redis, inline
        b"EHLO x\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"\r",
        b"\n\n",
    ],
)
def test_other_protocols_pass_untouched_and_at_once(
    launch: Launch, serve: Serve, opening: bytes
) -> None:
    service = serve(lambda connection: connection.sendall(connection.recv(1 << 16)))
    calling = Calling(launch, outbound={"detect_timeout": PATIENT if opening != b"\r" else "0"})
    with calling.call(service.port) as client:
        client.socket.settimeout(4)
        client.send(opening)
        assert client.receive(len(opening)) == opening


def test_a_server_that_speaks_first_does_not_wait(launch: Launch, serve: Serve) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 ready\r\n")
        assert connection.recv(100) == b"GET / HTTP/1.1\r\n\r\n"
        connection.sendall(b"ok")

    service = serve(greet)
    calling = Calling(launch, outbound={"detect_timeout": PATIENT})
    with calling.call(service.port) as client:
        client.socket.settimeout(4)
        assert client.receive(11) == b"220 ready\r\n"
        client.send(b"GET / HTTP/1.1\r\n\r\n")  # in whatever protocol that is
        assert client.receive(2) == b"ok"
    wait_until(lambda: calling.total("connections_total", protocol="opaque") == 1, "it is counted")


def test_a_destination_that_refuses_is_a_reset(launch: Launch) -> None:
    calling = Calling(launch)
    assert is_reset_at_once(calling.address, free_port())
    assert calling.total("failures_total", reason="upstream_refused") == 1


def test_a_reset_of_the_destination_is_passed_on(launch: Launch, serve: Serve) -> None:
    def crash(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)

    service = serve(crash)
    calling = Calling(launch)
    with calling.call(service.port) as client:
        client.send(request("/"))
        assert client.is_reset()


# --- who may call, and where to ---


def test_an_answer_to_a_request_that_is_too_large_is_heard(launch: Launch, serve: Serve) -> None:
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def refuse(connection: socket.socket) -> None:
        connection.recv(4)
        connection.sendall(answer)  # much of what was said is not read: this ends in a reset

    calling, large = Calling(launch), serve(refuse)
    for _ in range(30):
        with calling.call(large.port) as client:
            with suppress(ConnectionError):
                client.send(request("/", method="POST", body=bytes(16 << 20)))
            assert client.rest() == answer
    assert calling.total("requests_total", code="413") == 30


def test_a_connection_that_was_not_redirected_is_cut(launch: Launch) -> None:
    calling = Calling(launch)
    assert heard_before_the_cut(calling.address, request("/")) == b""
    assert calling.total("failures_total", reason="not_intercepted") == 1


def test_the_sidecar_never_calls_itself(launch: Launch) -> None:
    calling = Calling(launch)
    own = (calling.own_port, calling.sidecar.inbound_address[1], calling.sidecar.admin_address[1])
    for port in own:
        assert is_reset_at_once(calling.address, port)
    assert calling.total("failures_total", reason="loop") == 3
    assert calling.total("connections_open") == 0


def test_too_many_calls_are_cut_and_counted(launch: Launch, service: Application) -> None:
    calling = Calling(launch, outbound={"max_connections": 1})
    with calling.call(port_of(service)) as first:
        assert first.exchange(request("/")).status == 200
        assert is_reset_at_once(calling.address, port_of(service))
        assert first.exchange(request("/")).status == 200
    assert calling.total("failures_total", reason="over_limit") == 1


def test_calls_are_carried_until_the_last_request_is_answered(
    launch: Launch, service: Application
) -> None:
    application = Application()
    calling = Calling(launch, upstream={"url": application.url})

    def call_and_answer(talk: Talk, _: Request) -> None:
        calling.sidecar.signal(signal.SIGTERM)
        calling.sidecar.wait_for_log("Draining")
        with calling.call(port_of(service)) as client:
            status = client.exchange(request("/")).status
        talk.send(b"HTTP/1.1 %d OK\r\nContent-Length: 0\r\n\r\n" % (status + 3))

    application.answer = call_and_answer
    with calling.sidecar.connect() as client:
        assert client.exchange(request("/")).status == 203
    assert calling.sidecar.wait() == 0
    application.close()
