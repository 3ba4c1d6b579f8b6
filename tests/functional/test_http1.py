"""HTTP/1.1 in full: what a message may be, beyond what any client does every day (RFC 9112)."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.functional.application import OK, Answer, Application, Request, Talk, answering
from tests.functional.client import Client, Response, Truncated, request, values
from tests.functional.credentials import Signer
from tests.functional.hostile import Beside, is_healthy, keeping, naming_its_target
from tests.functional.sidecar_process import SidecarProcess, wait_until

EXPECTING = b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n%b\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {
            "rules": [
                {"paths": ["/closed/*"], "access": "token"},
                {"paths": ["/*"], "access": "public"},
            ],
            "forward": {"claims": {"username": "X-Auth-Username"}},
        },
        "log": {"access": "off"},
    }


@pytest.fixture(autouse=True)
def telling_application(application: Application) -> Iterator[None]:
    application.answer = naming_its_target
    yield
    application.answer = naming_its_target


# --- pipelining (RFC 9112, section 9.3.2) ---


def test_pipelined_requests_with_bodies_of_every_kind_are_answered_in_order(
    sidecar: SidecarProcess,
) -> None:
    raw, expected = b"", []
    for number in range(0, 40, 4):
        raw += request(f"/{number}")
        raw += request(f"/{number + 1}", method="POST", body=b"x" * number)
        raw += (
            f"PUT /{number + 2} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"3\r\nabc\r\n0\r\n\r\n"
        ).encode()
        raw += request(f"/{number + 3}", method="HEAD")
        expected += [
            f"/{number} ".encode(),
            f"/{number + 1} ".encode() + b"x" * number,
            f"/{number + 2} abc".encode(),
            b"",
        ]
    with sidecar.connect() as client:
        client.send(raw)
        methods = ["GET", "POST", "PUT", "HEAD"] * 10
        assert [client.response(method).body for method in methods] == expected


def test_a_refusal_in_the_middle_of_a_pipeline_does_not_end_it(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(
            request("/1")
            + request("/closed/2", method="POST", body=b"ignored")
            + request("/3")
            + request("/closed/4")
            + request("/5", method="POST", body=b"x")
        )
        answers = [client.response() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 401, 200, 401, 200]
    assert [answers[0].body, answers[2].body, answers[4].body] == [b"/1 ", b"/3 ", b"/5 x"]
    assert [received.target for received in application.requests] == [b"/1", b"/3", b"/5"]


def test_nothing_is_read_after_a_request_that_ends_the_connection(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(request("/1", "Connection: close") + request("/2"))
        answer = client.response()
        assert answer.values("Connection") == [b"close"]
        assert client.rest() == b""
    assert is_healthy(sidecar)
    assert [received.target for received in application.requests] == [b"/1", b"/healthy"]


def send_patiently(client: Client, data: bytes) -> None:
    """Send all of it, however long that takes while there is any progress."""
    view = memoryview(data)
    while view:
        view = view[client.socket.send(view[: 1 << 16]) :]


@pytest.mark.parametrize("target", ["/version", "/closed/a", "/a"])
def test_a_client_that_pipelines_and_does_not_read_is_not_served_on(
    sidecar: SidecarProcess, application: Application, target: str
) -> None:
    """Otherwise answers would pile up in memory without end."""

    def served() -> float:
        return sum(value for _, value in sidecar.metrics().samples("sidecar_requests_total"))

    application.answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + bytes(4000))
    before = sidecar.peak_memory_bytes()
    with sidecar.connect() as client:
        for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            client.socket.setsockopt(socket.SOL_SOCKET, buffer, 1 << 14)
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            send_patiently(client, request(target) * 600_000)
        count = -1.0
        while count != (count := served()):
            time.sleep(0.3)
    assert sidecar.peak_memory_bytes() - before < 24 << 20


# --- Expect (RFC 9110, section 10.1.1) ---


def test_a_client_that_is_told_to_go_on_sends_its_body(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, received: Request) -> None:
        if received.values("Expect"):
            talk.send(CONTINUE)
        naming_its_target(talk, received)

    application.answer = answer
    with sidecar.connect() as client:
        client.send(EXPECTING % b"")
        assert client.socket.recv(len(CONTINUE)) == CONTINUE
        client.send(b"four")
        assert client.response("POST").body == b"/a four"
        assert client.exchange(request("/next")).body == b"/next "


def test_a_client_that_waits_in_vain_sends_its_body_all_the_same(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(EXPECTING % b"")
        wait_until(lambda: bool(application.requests), "the application has the head")
        client.send(b"four")
        answer = client.response("POST")
        assert (answer.body, answer.interim) == (b"/a four", [])
        assert client.exchange(request("/next")).body == b"/next "


@pytest.mark.parametrize("status", ["417 Expectation Failed", "401 Unauthorized", "200 OK"])
def test_after_a_final_answer_to_an_expectation_nothing_can_be_taken_for_the_body(
    sidecar: SidecarProcess, application: Application, status: str
) -> None:
    application.answer = keeping(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())
    with sidecar.connect() as client:
        client.send(EXPECTING % b"")
        answer = client.response("POST")
        assert (answer.status, answer.body) == (int(status[:3]), b"no")
        # The client may send the body now, or its next request: nobody could tell which.
        assert answer.values("Connection") == [b"close"]
        client.send(request("/next"))
        assert client.rest() == b""
    application.answer = naming_its_target
    assert is_healthy(sidecar)
    assert b"/next" not in [received.target for received in application.requests]


def test_our_own_refusal_comes_before_the_body_is_sent(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send((EXPECTING % b"").replace(b"/a", b"/closed/a"))
        answer = client.response("POST")
        assert (answer.status, answer.interim) == (401, [])
        assert answer.values("Connection") == [b"close"]
    assert application.requests == []


def test_an_expectation_of_http_1_0_is_not_answered_with_an_interim_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, received: Request) -> None:
        talk.send(CONTINUE)
        naming_its_target(talk, received)

    application.answer = answer
    raw = (EXPECTING % b"").replace(b"HTTP/1.1", b"HTTP/1.0") + b"four"
    answered = sidecar.ask(raw)
    assert (answered.body, answered.interim) == (b"/a four", [])


def test_interim_answers_pass_with_their_fields_but_not_to_http_1_0(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\nlink: <b>\r\nConnection: x\r\nX: y\r\n\r\n" + OK
    )
    answer = sidecar.ask(request())
    assert [status for status, _ in answer.interim] == [102, 103]
    assert values(answer.interim[1][1], "Link") == [b"<a>", b"<b>"]
    assert values(answer.interim[1][1], "X") == []
    assert sidecar.ask(b"GET / HTTP/1.0\r\n\r\n").interim == []


# --- trailers (RFC 9110, section 6.5) ---


def chunked(head: bytes, trailers: bytes) -> bytes:
    return head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n" + trailers + b"\r\n"


@pytest.mark.parametrize(
    ("announced", "sent", "arrived"),
    [
        (b"Trailer: A, B\r\n", b"A: 1\r\nb:  2 \r\n", [(b"A", b"1"), (b"b", b"2")]),
        (b"Trailer: A\r\n", b"A: 1\r\nB: 2\r\n", [(b"A", b"1")]),
        (b"", b"A: 1\r\n", []),
        (b"Trailer: A\r\n", b"", []),
        (
            b"Trailer: Content-Length, Host, A\r\n",
            b"Content-Length: 9\r\nHost: b\r\nA: 1\r\n",
            [(b"A", b"1")],
        ),
        (b"Trailer: X-Auth-Username, A\r\n", b"X-Auth-Username: root\r\nA: 1\r\n", [(b"A", b"1")]),
        (b"Trailer: x_auth_username\r\n", b"x_auth_username: root\r\n", []),
        (b"Trailer: X-Auth-Status\r\n", b"X-Auth-Status: ok\r\n", []),
        (b"Trailer: Authorization, Cookie\r\n", b"Authorization: a\r\nCookie: b\r\n", []),
        (b"Trailer: X-Forwarded-For\r\n", b"X-Forwarded-For: 1.1.1.1\r\n", []),
        (b"Trailer: Connection\r\n", b"Connection: close\r\n", []),
    ],
)
def test_announced_trailers_of_a_request_pass_unless_they_belong_in_a_head(
    sidecar: SidecarProcess,
    application: Application,
    announced: bytes,
    sent: bytes,
    arrived: list[tuple[bytes, bytes]],
) -> None:
    raw = chunked(b"POST /a HTTP/1.1\r\nHost: a\r\n" + announced, sent)
    assert sidecar.ask(raw).body == b"/a abc"
    assert application.last.trailers == arrived


@pytest.mark.parametrize("te", ["trailers", "Trailers", "gzip, trailers;q=0.5"])
def test_trailers_of_an_answer_pass_to_whoever_wants_them(
    sidecar: SidecarProcess, application: Application, te: str
) -> None:
    application.answer = answering(
        chunked(b"HTTP/1.1 200 OK\r\nTrailer: Sum\r\n", b"Sum: 7\r\nContent-Length: 9\r\n")
    )
    answer = sidecar.ask(request("/", f"TE: {te}", "Connection: te"))
    assert application.last.value("TE") == b"trailers"
    assert (answer.body, answer.trailers) == (b"abc", [(b"Sum", b"7")])
    assert answer.values("Trailer") == [b"Sum"]


@pytest.mark.parametrize("fields", [(), ("TE: gzip",), ("TE: xtrailers",)])
def test_trailers_of_an_answer_are_dropped_for_whoever_does_not(
    sidecar: SidecarProcess, application: Application, fields: tuple[str, ...]
) -> None:
    application.answer = answering(chunked(b"HTTP/1.1 200 OK\r\nTrailer: Sum\r\n", b"Sum: 7\r\n"))
    answer = sidecar.ask(request("/", *fields))
    assert (answer.body, answer.trailers, answer.values("Trailer")) == (b"abc", [], [])


# --- an answer before the request has ended ---


@pytest.mark.parametrize("framing", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_an_answer_while_the_body_is_being_sent_arrives_and_ends_the_connection(
    sidecar: SidecarProcess, application: Application, framing: str
) -> None:
    application.answer = keeping(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    with sidecar.connect() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n10000\r\n".encode())
        client.send(bytes(60_000))
        answer = client.response("POST")
        assert (answer.status, answer.body) == (413, b"no")
        assert answer.values("Connection") == [b"close"]
        assert client.rest() == b""
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_an_answer_to_a_body_that_is_too_large_for_the_application_is_passed_on(
    sidecar: SidecarProcess, application: Application
) -> None:
    def refuse(talk: Talk, _: Request) -> None:
        talk.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        talk.socket.close()  # most of the body is not read: this ends in a reset
        talk.is_closed = True

    application.answer = refuse
    for _ in range(30):
        with sidecar.connect() as client:
            with suppress(ConnectionError):
                client.send(request("/", method="POST", body=bytes(8 << 20)))
            assert client.response("POST").status == 413
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_an_early_answer_to_a_small_body_keeps_the_connection(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = keeping(OK)
    with sidecar.connect() as client:
        begin = time.monotonic()
        for _ in range(5):
            client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
            assert client.response("POST").status == 200
            client.send(b"half")
        application.answer = naming_its_target
        assert client.exchange(request("/next")).body == b"/next "
        # Each body is waited for as long as it takes to come, not to the end of patience.
        assert time.monotonic() - begin < 5


def test_both_bodies_may_be_under_way_at_once(
    sidecar: SidecarProcess, application: Application
) -> None:
    def echo_as_it_comes(talk: Talk, received: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + talk._unread)
        left = 100 - len(talk._unread)
        talk._unread = b""
        while left:
            data = talk.socket.recv(left)
            talk.send(data)
            left -= len(data)

    application.answer = echo_as_it_comes
    with sidecar.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += client.socket.recv(1000)
        for number in range(10):
            piece = b"%d" % number * 10
            client.send(piece)
            echoed = b""
            while len(echoed) < 10:
                echoed += client.socket.recv(10 - len(echoed))
            assert echoed == piece
        application.answer = naming_its_target
        assert client.exchange(request("/next")).body == b"/next "


# --- targets and hosts ---


@pytest.mark.parametrize(
    ("first", "host", "target", "arrived_host"),
    [
        ("OPTIONS * HTTP/1.1", "Host: a", b"*", b"a"),
        ("OPTIONS http://a HTTP/1.1", "Host: a", b"*", b"a"),
        ("GET http://a/p?q HTTP/1.1", "Host: a", b"/p?q", b"a"),
        ("GET http://a?q HTTP/1.1", "Host: A", b"/?q", b"A"),
        ("GET HTTP://a:80/ HTTP/1.1", "hOsT:\ta:80 ", b"/", b"a:80"),
        ("GET http://[::1]:8/ HTTP/1.1", "Host: [::1]:8", b"/", b"[::1]:8"),
        ("GET /p HTTP/1.0", "Host: a", b"/p", b"a"),
        ("GET http://b/p HTTP/1.0", "X: y", b"/p", b"b"),
    ],
)
def test_a_target_in_any_form_arrives_as_a_path_with_its_host(
    sidecar: SidecarProcess,
    application: Application,
    first: str,
    host: str,
    target: bytes,
    arrived_host: bytes,
    signer: Signer,
) -> None:
    # No rule for paths covers "*", so that needs a token.
    token = f"Authorization: Bearer {signer.token()}"
    assert sidecar.ask(f"{first}\r\n{host}\r\n{token}\r\n\r\n".encode()).status == 200
    assert application.last.target == target
    assert application.last.values("Host") == [arrived_host]
    assert application.last.version == b"HTTP/1.1"


def test_a_request_of_http_1_0_without_a_host_gets_one_on_its_way(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert sidecar.ask(b"GET /a HTTP/1.0\r\n\r\n").status == 200
    assert len(application.last.values("Host")) == 1
    assert application.last.value("Via") == b"1.0 sidecar"


def test_a_trace_is_the_applications_to_answer_and_has_no_secrets_to_lose(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert sidecar.ask(request("/t", method="TRACE")).body == b"/t "
    assert application.last.method == b"TRACE"


# --- answers ---


def ended(raw: bytes) -> Answer:
    def answer(talk: Talk, _: Request) -> None:
        talk.send(raw)
        talk.close()

    return answer


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (ended(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), b"until the end"),
        (ended(b"HTTP/1.0 200 OK\r\n\r\nold"), b"old"),
        (ended(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"), b"old"),
        (ended(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nend"), b"end"),
        (ended(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"), b"ok"),
        (ended(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"), b"ok"),
        (ended(b"HTTP/1.1 200 OK\r\n\r\n"), b""),
        (ended(chunked(b"HTTP/1.1 200 OK\r\n", b"")), b"abc"),
        (answering(b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok"), b"ok"),
    ],
)
def test_an_answer_in_any_form_arrives_and_the_client_may_go_on(
    sidecar: SidecarProcess, application: Application, answer: Answer, body: bytes
) -> None:
    application.answer = answer
    with sidecar.connect() as client:
        for _ in range(2):
            assert client.exchange(request()).body == body


@pytest.mark.parametrize(
    ("fields", "stays"),
    [((), False), (("Connection: keep-alive",), True), (("Connection: close",), False)],
)
def test_http_1_0_keeps_its_connection_when_it_says_so(
    sidecar: SidecarProcess, fields: tuple[str, ...], stays: bool
) -> None:
    raw = request("/a", *fields).replace(b"HTTP/1.1", b"HTTP/1.0")
    with sidecar.connect() as client:
        answer = client.exchange(raw)
        assert answer.body == b"/a "
        if stays:
            assert answer.values("Connection") == [b"keep-alive"]
            assert client.exchange(raw).body == b"/a "
        else:
            assert client.rest() == b""


def test_an_answer_without_length_ends_the_connection_of_http_1_0(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(chunked(b"HTTP/1.1 200 OK\r\n", b""))
    with sidecar.connect() as client:
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        raw = client.rest()
    assert raw.endswith(b"\r\n\r\nabc")
    assert b"ransfer-" not in raw
    assert b"Connection: close\r\n" in raw


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_an_answer_to_head_has_no_body_whatever_it_says(
    sidecar: SidecarProcess, application: Application, raw: bytes
) -> None:
    application.answer = answering(raw)
    with sidecar.connect() as client:
        for _ in range(2):
            answer: Response = client.exchange(request("/", method="HEAD"))
            assert answer.body == b""
            length = [b"1000"] if b"1000" in raw else [b"9"] if b"404" in raw else []
            assert answer.values("Content-Length") == length


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_that_has_no_body_gets_no_framing_either(
    sidecar: SidecarProcess, application: Application, status: str
) -> None:
    application.answer = answering(f"HTTP/1.1 {status}\r\n\r\n".encode())
    with sidecar.connect() as client:
        for _ in range(2):
            answer = client.exchange(request())
            assert answer.status == int(status[:3])
            assert answer.values("Content-Length") == answer.values("Transfer-Encoding") == []


# --- half-closed and hurried clients ---


def test_what_was_asked_before_a_client_stopped_sending_is_not_half_done(
    sidecar: SidecarProcess, application: Application
) -> None:
    """A client that stops sending in the middle of its body has not made a request."""
    complete: list[bytes] = []
    has_head = threading.Event()

    def read(talk: Talk, received: Request) -> None:
        has_head.set()
        complete.append(talk.read_body(received))

    application.answer = read
    with sidecar.connect() as client:
        client.send(
            b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        assert has_head.wait(20)
        client.end_sending()
        client.rest()
    application.answer = naming_its_target
    assert is_healthy(sidecar)
    assert complete == []


def test_a_client_that_connects_and_leaves_costs_nothing(sidecar: SidecarProcess) -> None:
    def open_connections() -> float:
        return sidecar.metrics().value("sidecar_connections_open")

    clients = [sidecar.connect() for _ in range(50)]
    wait_until(lambda: open_connections() == 50, "they are counted")
    for client in clients:
        client.socket.close()
    wait_until(lambda: open_connections() == 0, "they are forgotten")
    assert is_healthy(sidecar)


def test_tokens_are_checked_anew_for_each_request_on_a_connection(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token()
    with sidecar.connect() as client:
        client.send(
            request("/closed/1", token=token)
            + request("/closed/2")
            + request("/closed/3", token=token)
        )
        assert [client.response().status for _ in range(3)] == [200, 401, 200]
    targets = [received.target for received in application.requests]
    assert targets == [b"/closed/1", b"/closed/3"]


def test_a_client_that_sends_garbage_after_an_answer_still_reads_the_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    body = b"x" * 200_000

    def answer(talk: Talk, received: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    application.answer = answer
    with sidecar.connect() as client:
        client.send(request("/") + b"\x00" * 10_000)
        sending = Beside(lambda: client.send(b"\x00" * 100_000))
        assert client.response().body == body
        try:
            assert client.response().status == 400
        except Truncated:
            pytest.fail("the refusal was lost")
        sending.join()
