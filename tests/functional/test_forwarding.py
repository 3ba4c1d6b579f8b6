import gzip
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import OK, Application, Request, Talk, answering, echo
from tests.functional.client import Client, request, values
from tests.functional.conftest import Launch
from tests.functional.hostile import reset
from tests.functional.sidecar_process import SidecarProcess, wait_until

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {"auth": {"mode": "off"}, "log": {"access": "all"}}


# --- what the application is sent ------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        b"/a%2Fb?x=%20&y=//..",
        b"/a/../b/./c//d",
        b"//double//slashes///",
        b"/;p;q=1/x;",
        b"/%7euser/%C3%A9/%zz/%",
        b"/caf\xc3\xa9?q=\xff\xfe",
        b"/?",
        b"/?a=1&a=2&&=;?/?",
        b"/a+b%2B*'()[]{}|\\^`\"<>",
        b"/" + b"x" * 8000,
    ],
)
def test_the_request_target_arrives_byte_for_byte(
    sidecar: SidecarProcess, application: Application, target: bytes
) -> None:
    answer = sidecar.ask(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)

    assert answer.status == 200
    assert application.last.target == target


def test_the_method_arrives_as_it_is(sidecar: SidecarProcess, application: Application) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "x-Odd!"):
        assert sidecar.ask(request("/m", method=method)).status == 200
        assert application.last.method == method.encode()
        assert application.last.version == b"HTTP/1.1"


def test_order_repetition_and_spelling_of_fields_are_kept(
    sidecar: SidecarProcess, application: Application
) -> None:
    lines = [
        (b"hOsT", b"a"),
        (b"Accept", b"text/html;q=0.5, */*"),
        (b"X-Repeated", b"one"),
        (b"x-REPEATED", b"two"),
        (b"Cookie", b"a=1; b=2"),
        (b"X-Repeated", b""),
        (b"X_Under.Score!", b"\xe9 \xff\tinner"),
        (b"cookie", b"c=3"),
    ]
    raw = b"".join(b"%b: %b\r\n" % line for line in lines)

    sidecar.ask(b"GET / HTTP/1.1\r\n" + raw + b"\r\n")

    assert application.last.fields[: len(lines)] == lines


def test_the_host_that_the_client_named_is_kept(
    sidecar: SidecarProcess, application: Application
) -> None:
    sidecar.ask(request(host="Thoughts.Example:8080"))

    assert application.last.value("Host") == b"Thoughts.Example:8080"
    assert application.last.value("X-Forwarded-Host") == b"Thoughts.Example:8080"


def test_the_application_learns_who_asked_and_how(
    sidecar: SidecarProcess, application: Application
) -> None:
    sidecar.ask(request())

    assert application.last.value("X-Forwarded-For") == b"127.0.0.1"
    assert application.last.value("X-Forwarded-Proto") == b"http"
    assert application.last.value("X-Forwarded-Host") == b"thoughts.example"


@pytest.mark.parametrize("opening", [b"", b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"])
def test_nothing_is_done_in_nobodys_name(
    launch: Launch, application: Application, opening: bytes
) -> None:
    networks = {"proxy_protocol": {"from": "unix"}} if opening else {}
    sidecar = launch({"auth": {"mode": "off"}, **networks}, application=application)
    sidecar.ask(request("/first"))  # from now on a connection to the application is at hand
    sidecar.signal(signal.SIGSTOP)
    client = sidecar.connect()
    client.send(opening + request("/gone"))
    reset(client)  # before it is accepted: the kernel forgets whose connection it was
    sidecar.signal(signal.SIGCONT)
    assert sidecar.ask(request("/next")).status == 200
    wait_until(lambda: sidecar.metrics().value("sidecar_connections_open") == 0, "none is open")
    assert [seen.target for seen in application.requests] == [b"/first", b"/next"]


def test_what_earlier_proxies_said_is_kept_and_added_to(
    sidecar: SidecarProcess, application: Application
) -> None:
    sidecar.ask(
        request(
            "/",
            "X-Forwarded-For: 203.0.113.7, 10.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: www.example",
        )
    )

    assert application.last.value("X-Forwarded-For") == b"203.0.113.7, 10.0.0.1, 127.0.0.1"
    assert application.last.value("X-Forwarded-Proto") == b"https"
    assert application.last.value("X-Forwarded-Host") == b"www.example"


def test_no_other_spelling_of_the_forwarding_fields_says_who_asked(
    sidecar: SidecarProcess, application: Application
) -> None:
    forged = [f"{name}: 203.0.113.7" for name in ("X_Forwarded_For", "x.forwarded-for")]
    sidecar.ask(request("/", *forged, "X_Request_ID: forged", "X-Forwarded-Form: stays"))

    assert application.last.value("X-Forwarded-For") == b"127.0.0.1"
    assert b"203.0.113.7" not in application.last.head
    assert b"forged" not in application.last.head
    assert application.last.value("X-Forwarded-Form") == b"stays"


def test_a_request_id_is_kept(sidecar: SidecarProcess, application: Application) -> None:
    sidecar.ask(request("/kept", "X-Request-ID: 0af7651916cd43dd"))

    assert application.last.value("X-Request-ID") == b"0af7651916cd43dd"
    assert sidecar.access_line("0af7651916cd43dd")["path"] == "/kept"


def test_a_request_id_is_made_where_there_is_none(
    sidecar: SidecarProcess, application: Application
) -> None:
    for _ in range(3):
        sidecar.ask(request())

    made = {seen.value("X-Request-ID") for seen in application.requests}
    assert len(made) == 3
    assert all(len(each) >= 16 for each in made)


def test_trace_context_is_passed_on(sidecar: SidecarProcess, application: Application) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sidecar.ask(request("/", f"traceparent: {parent}", "tracestate: a=b,c=d"))

    assert application.last.value("traceparent") == parent.encode()
    assert application.last.value("tracestate") == b"a=b,c=d"


def test_fields_for_this_hop_only_end_at_the_sidecar(
    sidecar: SidecarProcess, application: Application
) -> None:
    sidecar.ask(
        request(
            "/",
            "Connection: keep-alive, X-Secret",
            "connection: x-other",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic abc",
            "X-Secret: 1",
            "X-Other: 2",
            "X-Third: 3",
        )
    )

    gone = (
        "Connection Keep-Alive Proxy-Connection Proxy-Authorization X-Secret X-Other TE Upgrade"
    ).split()
    assert {name: application.last.values(name) for name in gone} == {name: [] for name in gone}
    assert application.last.value("X-Third") == b"3"


def test_fields_of_an_answer_for_this_hop_only_end_at_the_sidecar(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 200 Fine by me\r\nServer: app/1\r\nSet-Cookie: a=1\r\nset-COOKIE: b=2\r\n"
        b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-Stays: 2\r\n"
        b"Proxy-Authenticate: Basic\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Content-Length: 0\r\n\r\n"
    )

    answer = sidecar.ask(request())

    assert answer.reason == b"Fine by me"
    assert [field for field in answer.fields if field[0] != b"Connection"] == [
        (b"Server", b"app/1"),
        (b"Set-Cookie", b"a=1"),
        (b"set-COOKIE", b"b=2"),
        (b"X-Stays", b"2"),
        (b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (b"Content-Length", b"0"),
    ]


def test_a_request_that_comes_byte_by_byte_is_the_same_request(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = echo
    raw = request("/slow", "X-A: b", method="POST", body=b"hello")
    with sidecar.connect() as client:
        client.send_bytewise(raw)
        assert client.response("POST").body == b"hello"
        whole = client.exchange(raw)

    assert whole.body == b"hello"
    first, second = application.requests
    assert [field for field in first.fields if field[0] != b"X-Request-ID"] == [
        field for field in second.fields if field[0] != b"X-Request-ID"
    ]


def test_pipelined_requests_are_answered_in_order(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = echo
    bodies = [b"%d" % number * (number + 1) for number in range(30)]
    with sidecar.connect() as client:
        client.send(b"".join(request(method="POST", body=body) for body in bodies))
        answers = [client.response("POST").body for _ in bodies]

    assert answers == bodies
    assert [seen.body for seen in application.requests] == bodies


def test_connections_to_the_application_are_used_again(
    sidecar: SidecarProcess, application: Application
) -> None:
    before = len(application.talks)
    with sidecar.connect() as client:
        for _ in range(20):
            assert client.exchange(request()).status == 200

    assert len(application.talks) - before <= 1


# --- bodies ----------------------------------------------------------------------------------


def test_a_chunked_request_arrives_chunked_with_the_same_bytes(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = echo
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with sidecar.connect() as client:
        client.send(raw + b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\n")
        assert client.response("POST").body == b"hello world"
        assert client.exchange(request(method="POST", body=b"next")).body == b"next"

    first = application.requests[0]
    assert first.value("Transfer-Encoding") == b"chunked"
    assert first.values("Content-Length") == []


def test_a_chunked_request_passes_on_before_it_has_ended(
    sidecar: SidecarProcess, application: Application
) -> None:
    has_first_chunk = threading.Event()

    def answer(talk: Talk, request: Request) -> None:
        while b"first" not in talk.received:
            talk.received += talk.socket.recv(1000)
        has_first_chunk.set()
        while not talk.received.endswith(b"0\r\n\r\n"):
            talk.received += talk.socket.recv(1000)
        talk.send(OK)
        talk.close()

    application.answer = answer
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"5\r\nfirst\r\n")
        assert has_first_chunk.wait(20)
        client.send(b"0\r\n\r\n")
        assert client.response("POST").status == 200


def test_an_answer_passes_on_before_it_has_ended(
    sidecar: SidecarProcess, application: Application
) -> None:
    may_go_on = threading.Event()

    def answer(talk: Talk, request: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert may_go_on.wait(20)
        talk.send(b"4\r\nlast\r\n0\r\n\r\n")

    application.answer = answer
    with sidecar.connect() as client:
        client.send(request())
        received = b""
        while b"first" not in received:
            received += client.socket.recv(1000)
        may_go_on.set()
        while not received.endswith(b"0\r\n\r\n"):
            received += client.socket.recv(1000)
    assert b"last" in received


def test_a_chunked_answer_arrives_complete(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n"
    )
    with sidecar.connect() as client:
        for _ in range(2):
            answer = client.exchange(request())
            assert answer.body == b"abc0123456789abcdef"
            assert answer.value("Transfer-Encoding") == b"chunked"


def test_an_answer_that_comes_byte_by_byte_is_the_same_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, request: Request) -> None:
        talk.send_bytewise(
            b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )

    application.answer = answer
    with sidecar.connect() as client:
        for _ in range(2):
            answer_ = client.exchange(request())
            assert (answer_.body, answer_.value("A")) == (b"abcde", b"b")


def test_trailers_arrive_at_a_client_that_wants_them(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n"
    )
    wanted = sidecar.ask(request("/", "TE: trailers", "Connection: TE"))
    unwanted = sidecar.ask(request())

    assert values(wanted.trailers, "X-Sum") == [b"7"]
    assert (unwanted.body, unwanted.trailers) == (b"abc", [])


def test_an_answer_that_ends_with_its_connection_arrives_complete(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, request: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 100_000)
        talk.close()

    application.answer = answer
    with sidecar.connect() as client:
        for _ in range(2):
            assert client.exchange(request()).body == b"x" * 100_000


def test_an_encoded_body_arrives_as_it_is(
    sidecar: SidecarProcess, application: Application
) -> None:
    packed = gzip.compress(b"thoughts" * 1000)
    application.answer = answering(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(packed), packed)
    )
    sent = gzip.compress(b"more thoughts" * 1000)

    answer = sidecar.ask(request("/", "Content-Encoding: gzip", method="POST", body=sent))

    assert answer.body == packed
    assert answer.value("Content-Encoding") == b"gzip"
    assert application.last.body == sent
    assert application.last.value("Content-Encoding") == b"gzip"


def test_an_answer_to_head_keeps_its_length_and_has_no_body(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    with sidecar.connect() as client:
        for _ in range(2):
            answer = client.exchange(request(method="HEAD"))
            assert answer.value("Content-Length") == b"12345"
            assert answer.body == b""
        application.answer = echo
        assert client.exchange(request(method="POST", body=b"next")).body == b"next"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", []),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 55\r\n\r\n", [b"55"]),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", []),
    ],
)
def test_an_answer_that_never_has_a_body_gets_none(
    sidecar: SidecarProcess, application: Application, head: bytes, length: list[bytes]
) -> None:
    application.answer = answering(head)
    with sidecar.connect() as client:
        for _ in range(2):
            answer = client.exchange(request())
            assert answer.raw.startswith(head.partition(b"\r\n")[0] + b"\r\n")
            assert answer.values("Content-Length") == length
            assert answer.values("Transfer-Encoding") == []


def test_large_bodies_arrive_unchanged_both_ways(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = echo
    body = bytes(range(256)) * (16 * MEGABYTE // 256)
    raw = request(method="POST", body=body)
    with sidecar.connect() as client:
        sender = threading.Thread(target=client.send, args=(raw,))
        sender.start()
        answer = client.response("POST")
        sender.join()

    assert answer.body == body
    assert application.last.body == body


def test_a_client_that_does_not_read_costs_a_bounded_amount_of_memory(
    sidecar: SidecarProcess, application: Application
) -> None:
    size = 64 * MEGABYTE
    sent = 0

    def answer(talk: Talk, request: Request) -> None:
        nonlocal sent
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"x" * 65536
        while sent < size:
            talk.send(piece)
            sent += len(piece)

    application.answer = answer
    before = sidecar.peak_memory_bytes()
    with sidecar.connect() as client:
        client.send(request())
        wait_until_still(lambda: sent)
        assert 0 < sent < size * 3 // 4
        answer_ = client.response()

    assert answer_.body == b"x" * size
    assert sidecar.peak_memory_bytes() - before < 8 * MEGABYTE


def test_an_application_that_does_not_read_costs_a_bounded_amount_of_memory(
    sidecar: SidecarProcess, application: Application
) -> None:
    size = 64 * MEGABYTE
    may_read = threading.Event()
    sent = 0

    def answer(talk: Talk, request: Request) -> None:
        assert may_read.wait(60)
        talk.drop(size)
        talk.send(OK)
        talk.close()

    def send(client: Client) -> None:
        nonlocal sent
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"x" * 65536
        while sent < size:
            client.send(piece)
            sent += len(piece)

    application.answer = answer
    before = sidecar.peak_memory_bytes()
    with sidecar.connect() as client:
        sender = threading.Thread(target=send, args=(client,))
        sender.start()
        wait_until_still(lambda: sent)
        assert 0 < sent < size * 3 // 4
        may_read.set()
        assert client.response("POST").status == 200
        sender.join()

    assert sidecar.peak_memory_bytes() - before < 8 * MEGABYTE


def wait_until_still(count: Any) -> None:
    """Wait until a count stands still. Being fooled by a slow machine does no harm: the count is
    then only lower."""
    seen, since = -1, time.monotonic()

    def is_still() -> bool:
        nonlocal seen, since
        if count() != seen:
            seen, since = count(), time.monotonic()
        return seen > 0 and time.monotonic() - since > 0.3

    wait_until(is_still, "nothing moves")


# --- interim answers, old clients ------------------------------------------------------------


def test_expect_continue_is_the_applications_to_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, request: Request) -> None:
        assert request.value("Expect") == b"100-continue"
        talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        echo(talk, request)

    application.answer = answer
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n")
        client.send(b"\r\n")
        assert client.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert client.response("POST").body == b"hello"


def test_an_application_may_refuse_a_body_that_was_not_sent_yet(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer(talk: Talk, request: Request) -> None:
        talk.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        talk.close()

    application.answer = answer
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n")
        client.send(b"\r\n")
        assert client.response("POST").status == 417


def test_interim_answers_pass_before_the_final_one(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK
    )
    answer = sidecar.ask(request())

    assert answer.status == 200
    assert [status for status, _ in answer.interim] == [103, 103]
    assert values(answer.interim[0][1], "Link") == [b"</a.css>"]


def test_a_client_of_http_1_0_gets_what_it_understands(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    with sidecar.connect() as client:
        client.send(b"GET /old HTTP/1.0\r\n\r\n")
        head, _, body = client.rest().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"hello"
    assert application.last.target == b"/old"


def test_a_client_of_http_1_0_may_keep_its_connection(
    sidecar: SidecarProcess, application: Application
) -> None:
    raw = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    with sidecar.connect() as client:
        for _ in range(2):
            answer = client.exchange(raw)
            assert answer.body == b"ok"
            assert answer.value("Connection").lower() == b"keep-alive"


def test_connection_close_ends_the_connection_after_the_answer(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        answer = client.exchange(request("/", "Connection: close"))
        assert answer.value("Connection") == b"close"
        assert client.rest() == b""


def test_an_answer_to_a_client_that_half_closed_still_arrives(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(request("/version"))
        client.end_sending()
        assert client.response().status == 200


# --- what is not HTTP ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,
    ],
)
def test_what_is_not_http_gets_400_and_the_end_of_the_connection(
    sidecar: SidecarProcess, application: Application, raw: bytes
) -> None:
    with sidecar.connect() as client:
        client.send(raw)
        answer = client.response()
        assert (answer.status, answer.problem_reason) == (400, "bad_request")
        assert answer.value("Connection") == b"close"
        assert client.rest() == b""
    assert b"chunked" in raw or not application.requests


def test_a_head_that_is_too_large_gets_431(
    sidecar: SidecarProcess, application: Application
) -> None:
    answer = sidecar.ask(request("/", "X-Large: " + "x" * 20_000))

    assert (answer.status, answer.problem_reason) == (431, "headers_too_large")
    assert application.requests == []


# --- unix sockets ----------------------------------------------------------------------------


def test_application_and_callers_may_use_unix_sockets(tmp_path: Path, launch: Launch) -> None:
    application = Application(tmp_path / "app.sock")
    listen = tmp_path / "in.sock"
    try:
        launch(
            {"listen": f"unix:{listen}", "auth": {"mode": "off"}},
            application=application,
        )
        with Client(str(listen)) as client:
            for _ in range(2):
                assert client.exchange(request("/a?b")).body == b"ok"
        assert application.last.target == b"/a?b"
        assert application.last.value("Host") == b"thoughts.example"
    finally:
        application.close()


def test_several_listeners_serve_the_same_application(
    tmp_path: Path, launch: Launch, application: Application
) -> None:
    paths = [tmp_path / "one.sock", tmp_path / "two.sock"]
    launch(
        {"listen": [f"unix:{path}" for path in paths], "auth": {"mode": "off"}},
        application=application,
    )
    for path in paths:
        with Client(str(path)) as client:
            assert client.exchange(request()).body == b"ok"
