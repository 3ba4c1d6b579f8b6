"""The application is gone, slow, broken or lying: what its callers see of that."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import OK, Application, Request, Talk, answering
from tests.functional.client import Truncated, request
from tests.functional.conftest import Launch
from tests.functional.sidecar_process import SidecarProcess, wait_until

HALF_AN_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {"mode": "off"},
        "upstream": {"response_timeout": "300ms", "connect_timeout": "2s"},
        "log": {"access": "all"},
    }


@pytest.fixture
def refusing(application: Application) -> Application:
    """An application that accepts no connections, and has none."""
    application.stop_listening()
    application.hang_up()
    return application


def failures(sidecar: SidecarProcess, reason: str) -> float:
    return sidecar.metrics().value("sidecar_upstream_errors_total", reason=reason)


# --- refused ---------------------------------------------------------------------------------


def test_an_application_that_is_not_there_is_a_503_that_says_when_to_try_again(
    sidecar: SidecarProcess, refusing: Application
) -> None:
    before = failures(sidecar, "upstream_refused")
    try:
        answer = sidecar.ask(request())
        assert (answer.status, answer.problem_reason) == (503, "upstream_refused")
        assert int(answer.value("Retry-After")) >= 1
        assert failures(sidecar, "upstream_refused") == before + 1
        assert sidecar.ready_status() == 200
        assert sidecar.ask(request("/version")).status == 200
    finally:
        refusing.listen()


def test_requests_pass_again_as_soon_as_the_application_is_back(
    sidecar: SidecarProcess, refusing: Application
) -> None:
    try:
        for _ in range(20):
            assert sidecar.ask(request()).status == 503
    finally:
        refusing.listen()

    took_s = wait_until(lambda: sidecar.ask(request()).status == 200, "requests pass again")

    assert took_s < 1


# --- broken off ------------------------------------------------------------------------------


def closing(*, resets: bool, after: bytes) -> Callable[[Talk, Request], None]:
    def answer(talk: Talk, request: Request) -> None:
        talk.send(after)
        if resets:
            talk.reset()
        else:
            talk.close()

    return answer


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_an_application_that_breaks_off_in_the_head_is_a_502(
    sidecar: SidecarProcess, application: Application, resets: bool, after: bytes
) -> None:
    before = failures(sidecar, "upstream_broke_off")
    application.hang_up()
    application.answer = closing(resets=resets, after=after)

    answer = sidecar.ask(request(method="POST", body=b"text"))

    assert (answer.status, answer.problem_reason) == (502, "upstream_broke_off")
    assert failures(sidecar, "upstream_broke_off") == before + 1
    assert len(application.requests) == 1


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(
    "after",
    [
        HALF_AN_ANSWER,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
def test_an_application_that_breaks_off_in_the_body_is_seen_as_a_truncation(
    sidecar: SidecarProcess, application: Application, resets: bool, after: bytes
) -> None:
    application.answer = closing(resets=resets, after=after)

    with sidecar.connect() as client:
        client.send(request())
        with pytest.raises(Truncated):
            client.response()


def test_an_old_client_sees_the_truncation_too(
    sidecar: SidecarProcess, application: Application
) -> None:
    """In HTTP/1.0 an answer without a length ends with its connection; only a reset tells."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    application.answer = closing(resets=False, after=chunked)

    with sidecar.connect() as client:
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read_to_the_end(client.socket)


def read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


# --- connections that went stale --------------------------------------------------------------


class Stale:
    """Answers the first request of each connection, and closes it when the second one comes."""

    def __init__(self) -> None:
        self.served: set[int] = set()

    def __call__(self, talk: Talk, request: Request) -> None:
        talk.read_body(request)
        if id(talk) in self.served:
            talk.close()
        else:
            self.served.add(id(talk))
            talk.send(OK if request.method != b"HEAD" else OK[:-2])


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"])
def test_a_request_that_may_be_repeated_survives_a_stale_connection(
    sidecar: SidecarProcess, application: Application, method: str
) -> None:
    application.hang_up()
    application.answer = Stale()
    with sidecar.connect() as client:
        assert client.exchange(request("/first")).status == 200
        assert client.exchange(request("/second", method=method)).status == 200

    assert [seen.target for seen in application.requests].count(b"/second") == 2


def test_a_post_is_never_sent_twice(sidecar: SidecarProcess, application: Application) -> None:
    application.hang_up()
    application.answer = Stale()
    with sidecar.connect() as client:
        assert client.exchange(request("/first")).status == 200
        answer = client.exchange(request("/second", method="POST", body=b"text"))

    assert (answer.status, answer.problem_reason) == (502, "upstream_broke_off")
    assert [seen.target for seen in application.requests] == [b"/first", b"/second"]


def test_a_request_that_meets_only_stale_connections_is_repeated_once(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.hang_up()
    application.answer = Stale()
    with sidecar.connect() as client:
        assert client.exchange(request("/first")).status == 200
        application.answer = closing(resets=False, after=b"")
        answer = client.exchange(request("/second"))

    assert (answer.status, answer.problem_reason) == (502, "upstream_broke_off")
    assert len(application.requests) == 3


def test_connections_that_the_application_closed_while_idle_are_not_used(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        for _ in range(5):
            assert client.exchange(request(method="POST", body=b"text")).status == 200
            application.hang_up()
            wait_until(lambda: open_connections(application) == 0, "the sidecar has noticed")


def open_connections(application: Application) -> int:
    """How many connections to the application are open on the side that connected."""
    port = int(application.url.rpartition(":")[2])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established, waiting_for_close = "01", "08"
    return sum(
        remote.endswith(f":{port:04X}") and state in (established, waiting_for_close)
        for _, _, remote, state, *_ in rows
    )


# --- slow, wrong, or too much ----------------------------------------------------------------


def test_an_application_that_is_too_slow_is_a_504(
    sidecar: SidecarProcess, application: Application
) -> None:
    may_end = threading.Event()

    def answer(talk: Talk, request: Request) -> None:
        assert may_end.wait(60)

    application.answer = answer
    try:
        answer_ = sidecar.ask(request())
        assert (answer_.status, answer_.problem_reason) == (504, "upstream_timeout")
    finally:
        may_end.set()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + OK,
    ],
)
def test_an_answer_that_is_not_http_is_a_502(
    sidecar: SidecarProcess, application: Application, raw: bytes
) -> None:
    application.answer = answering(raw)
    with sidecar.connect() as client:
        client.send(request())
        answer = client.response()

    assert (answer.status, answer.problem_reason) == (502, "upstream_malformed")


def test_bytes_after_an_answer_never_become_the_next_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    application.answer = answering(OK + forged)
    with sidecar.connect() as client:
        assert client.exchange(request()).body == b"ok"
        application.answer = answering(OK)
        for _ in range(3):
            assert client.exchange(request()).body == b"ok"


def test_work_is_cancelled_when_its_caller_is_gone(
    sidecar: SidecarProcess, application: Application
) -> None:
    has_request, is_cut = threading.Event(), threading.Event()

    def answer(talk: Talk, request: Request) -> None:
        has_request.set()
        if talk.socket.recv(1) == b"":
            is_cut.set()

    application.answer = answer
    client = sidecar.connect()
    client.send(request())
    assert has_request.wait(20)
    client.socket.close()

    assert is_cut.wait(20)


def test_an_answer_before_the_end_of_the_request_body_arrives(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = lambda talk, request: talk.send(
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        answer = client.response("POST")
    assert (answer.status, answer.value("Connection")) == (413, b"close")


def test_no_more_connections_are_opened_than_allowed(
    launch: Launch, application: Application
) -> None:
    may_answer = threading.Event()
    configuration = {"auth": {"mode": "off"}, "upstream": {"max_connections": 2}}
    sidecar = launch(configuration, application=application)
    before = len(application.talks)

    def answer(talk: Talk, request: Request) -> None:
        assert may_answer.wait(60)
        talk.send(OK)

    application.answer = answer
    clients = [sidecar.connect() for _ in range(6)]
    try:
        for client in clients:
            client.send(request())
        wait_until(lambda: len(application.requests) == 2, "two requests have arrived")
        wait_until(
            lambda: sidecar.metrics().value("sidecar_requests_in_flight") == 6, "six are in flight"
        )
        assert len(application.talks) - before == 2
        may_answer.set()
        assert [client.response().status for client in clients] == [200] * 6
    finally:
        for client in clients:
            client.socket.close()
    assert len(application.talks) - before == 2
