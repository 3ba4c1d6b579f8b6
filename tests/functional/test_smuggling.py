"""Requests that two readers could read differently: refused, with the connection closed, and the
application never sees a request more than was authorised (RFC 9112, section 11.2)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.application import Application, Request, Talk
from tests.functional.client import request
from tests.functional.hostile import (
    SMUGGLED,
    Send,
    is_healthy,
    naming_its_target,
    refusal,
    send_bytewise,
    send_whole,
)
from tests.functional.sidecar_process import SidecarProcess
from tests.wire.grammar import chunked, fields, head_bytes, methods, targets
from tests.wire.judges import by_h11, by_llhttp, prefix_by_h11


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {"auth": {"mode": "off"}, "log": {"access": "off"}}


@pytest.fixture(autouse=True)
def telling_application(application: Application) -> None:
    application.answer = naming_its_target


def post(*fields: bytes, body: bytes = b"", first: bytes = b"POST /a HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: a", *fields, b"", b""]) + body


CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

AMBIGUOUS = {
    # Two lengths (RFC 9112, section 6.3).
    "CL.TE": post(b"Content-Length: 5", CHUNKED, body=END),
    "TE.CL": post(CHUNKED, b"Content-Length: 5", body=END),
    "CL.0 with TE": post(b"Content-Length: 0", CHUNKED, body=END),
    "CL.CL, different": post(b"Content-Length: 5", b"Content-Length: 6", body=b"12345"),
    "CL.CL, equal": post(b"Content-Length: 5", b"Content-Length: 5", body=b"12345"),
    "CL list, equal": post(b"Content-Length: 5, 5", body=b"12345"),
    "CL list, different": post(b"Content-Length: 5, 6", body=b"12345"),
    "CL with a sign": post(b"Content-Length: +5", body=b"12345"),
    "CL negative": post(b"Content-Length: -5", body=b"12345"),
    "CL in hexadecimal": post(b"Content-Length: 0x5", body=b"12345"),
    "CL with an underscore": post(b"Content-Length: 1_0", body=b"1234567890"),
    "CL with space inside": post(b"Content-Length: 1 0", body=b"1234567890"),
    "CL empty": post(b"Content-Length:", body=b"12345"),
    "CL with a fraction": post(b"Content-Length: 5.0", body=b"12345"),
    "CL beyond 64 bits": post(b"Content-Length: 18446744073709551621", body=b"12345"),
    "CL with a leading zero": post(b"Content-Length: 010", body=b"1234567890"),
    "CL in other digits": post("Content-Length: \u0665".encode(), body=b"12345"),
    # Codings (RFC 9112, section 6.1).
    "TE twice": post(CHUNKED, CHUNKED, body=END),
    "TE twice, identity first": post(b"Transfer-Encoding: identity", CHUNKED, body=END),
    "TE twice, identity last": post(CHUNKED, b"Transfer-Encoding: identity", body=END),
    "TE xchunked": post(b"Transfer-Encoding: xchunked", body=END),
    "TE identity": post(b"Transfer-Encoding: identity", body=END),
    "TE gzip": post(b"Transfer-Encoding: gzip", body=END),
    "TE gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=END),
    "TE chunked, identity": post(b"Transfer-Encoding: chunked, identity", body=END),
    "TE chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=END),
    "TE chunked with a parameter": post(b"Transfer-Encoding: chunked;q=1", body=END),
    "TE quoted": post(b'Transfer-Encoding: "chunked"', body=END),
    "TE empty": post(b"Transfer-Encoding:", body=END),
    "TE with a trailing comma": post(b"Transfer-Encoding: chunked,", body=END),
    "TE with a vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=END),
    "TE with NUL": post(b"Transfer-Encoding: chunked\x00", body=END),
    "TE with a Latin-1 space": post(b"Transfer-Encoding:\xa0chunked", body=END),
    "TE in HTTP/1.0": post(CHUNKED, first=b"POST /a HTTP/1.0", body=END),
    "TE folded": post(b"Transfer-Encoding:\r\n chunked", body=END),
    "TE, space before the colon": post(b"Transfer-Encoding : chunked", body=END),
    "TE, tab before the colon": post(b"Transfer-Encoding\t: chunked", body=END),
    "TE behind a space": post(b"X: y", b" Transfer-Encoding: chunked", body=END),
    "TE behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked", body=END),
    "TE behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked", body=END),
    "TE behind CR CR LF": post(b"X: y\r\r\nTransfer-Encoding: chunked", body=END),
    "TE behind LF CR": post(b"X: y\n\rTransfer-Encoding: chunked", body=END),
    # Lines (RFC 9112, sections 2.2 and 5).
    "line folding": post(b"X: y\r\n z"),
    "line folding with a tab": post(b"X: y\r\n\tz"),
    "space before the first field": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before the colon": post(b"X : y"),
    "no colon": post(b"X"),
    "no name": post(b": y"),
    "a space in the name": post(b"X Y: z"),
    "NUL in a value": post(b"X: \x00"),
    "NUL in a name": post(b"X\x00: y"),
    "DEL in a value": post(b"X: \x7f"),
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF at the end of the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF at the end of the head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "bare CR in a value": post(b"X: y\rz"),
    "bare CR in the request line": b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the target": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "tabs between": b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space before the method": b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space after the version": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "a method that is no token": b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a version in lower case": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "a request without a version": b"GET /\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)),
    # Host (RFC 9112, section 3.2).
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "Host twice": post(b"Host: b"),
    "the same Host twice": post(b"hOST: a"),
    "an empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "userinfo in Host": b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
    "a path in Host": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a list in Host": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a space in Host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host with a bad port": b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "Host that is not the target's": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "userinfo in the target": b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target of another scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target that is no path": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a star with GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
}

OTHERWISE_REFUSED = {
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    "HTTP/0.9 by its number": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
}

WAYS = pytest.mark.parametrize("send", [send_whole, send_bytewise], ids=["whole", "bytewise"])


def check_refused(
    sidecar: SidecarProcess, application: Application, raw: bytes, send: Send, status: int = 400
) -> None:
    answer = refusal(sidecar, raw, send)
    assert answer.status == status
    assert answer.values("Connection") == [b"close"]
    assert answer.json()["status"] == status
    assert is_healthy(sidecar)
    assert [received.target for received in application.requests] == [b"/healthy"]


@WAYS
@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_the_connection_ends(
    sidecar: SidecarProcess, application: Application, case: str, send: Send
) -> None:
    check_refused(sidecar, application, AMBIGUOUS[case], send)


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_nothing_that_follows_an_ambiguous_request_is_served(
    sidecar: SidecarProcess, application: Application, case: str
) -> None:
    check_refused(sidecar, application, AMBIGUOUS[case] + SMUGGLED, send_whole)


@WAYS
@pytest.mark.parametrize("case", OTHERWISE_REFUSED)
def test_what_is_not_served_here_is_refused_as_that(
    sidecar: SidecarProcess, application: Application, case: str, send: Send
) -> None:
    raw, status = OTHERWISE_REFUSED[case]
    check_refused(sidecar, application, raw, send, status)


BAD_CHUNKS = {
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "a size that is no number": b"x\r\nabc\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nabc\r\n0\r\n\r\n",
    "a size with a prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a size with a space after it": b"3 \r\nabc\r\n0\r\n\r\n",
    "a size with a bare LF": b"3\nabc\n0\n\n",
    "a size with a bare CR": b"3\rabc\r\n0\r\n\r\n",
    "an extension without a name": b"3;\r\nabc\r\n0\r\n\r\n",
    "an extension with a bare LF": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "an extension with a bare CR": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a chunk that is longer than it says": b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk that is shorter than it says": b"3\r\nab\r\n0\r\n\r\n",
    "a chunk without its end": b"3\r\nabc0\r\n\r\n",
    "a chunk that ends in a bare LF": b"3\r\nabc\n0\r\n\r\n",
    "a last chunk with a bare LF": b"3\r\nabc\r\n0\n\n",
    "a request instead of a trailer": b"3\r\nabc\r\n0\r\n" + SMUGGLED,
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a trailer with a space before the colon": b"0\r\nA : b\r\n\r\n",
    "a trailer with NUL": b"0\r\nA: \x00\r\n\r\n",
}


@WAYS
@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_a_chunk_out_of_grammar_is_refused_and_the_application_gets_no_complete_request(
    sidecar: SidecarProcess, application: Application, case: str, send: Send
) -> None:
    complete: list[bytes] = []
    application.answer = lambda talk, received: complete.append(talk.read_body(received))
    answer = refusal(sidecar, post(CHUNKED, body=BAD_CHUNKS[case]), send)
    assert answer.status == 400
    assert answer.values("Connection") == [b"close"]
    application.answer = naming_its_target
    assert is_healthy(sidecar)
    assert complete == []
    assert b"/smuggled" not in [received.target for received in application.requests]


def test_a_request_in_a_body_is_only_a_body(
    sidecar: SidecarProcess, application: Application
) -> None:
    in_a_chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    for raw in (
        post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
        post(CHUNKED, body=in_a_chunk),
        post(b"Content-Length: %d" % len(SMUGGLED), first=b"GET /a HTTP/1.1", body=SMUGGLED),
        post(CHUNKED, first=b"DELETE /a HTTP/1.1", body=in_a_chunk),
        post(CHUNKED, b"Connection: transfer-encoding", body=in_a_chunk),
        post(b"Content-Length: %d" % len(SMUGGLED), b"Connection: content-length", body=SMUGGLED),
        post(CHUNKED, b"Transfer_Encoding: identity", body=in_a_chunk),
        post(b"Content-Length: %d" % len(SMUGGLED), b"Content_Length: 0", body=SMUGGLED),
    ):
        application.requests.clear()
        assert sidecar.ask(raw).body == b"/a " + SMUGGLED
        assert is_healthy(sidecar)
        assert [received.target for received in application.requests] == [b"/a", b"/healthy"]


@WAYS
def test_as_many_requests_arrive_as_were_sent_and_two_other_parsers_agree(
    sidecar: SidecarProcess, application: Application, send: Send
) -> None:
    sent = [
        request("/1", "X-A:  spaced \t"),
        b"\r\n" + post(b"Content-Length: 3", first=b"POST /2 HTTP/1.1", body=b"\r\n\r"),
        post(CHUNKED, first=b"PUT /3 HTTP/1.1", body=b'03;x="\\"";y\r\n0\r\n\r\n0;z\r\n\r\n'),
        b"GET http://a/4?b HTTP/1.1\r\nhost:a\r\nConnection: x\r\nX: y\r\n\r\n",
        b"GET /5 HTTP/1.0\r\n\r\n",
    ]
    with sidecar.connect() as client:
        send(client, b"".join(sent))
        bodies = [client.response().body for _ in sent]
        assert client.rest() == b""
    assert bodies == [b"/1 ", b"/2 \r\n\r", b"/3 0\r\n", b"/4?b ", b"/5 "]
    arrived = b"".join(received.head + received.raw_body for received in application.requests)
    judged = by_h11(arrived)
    assert [one.target for one in judged] == [b"/1", b"/2", b"/3", b"/4?b", b"/5"]
    assert [one.body for one in judged] == [b"", b"\r\n\r", b"0\r\n", b"", b""]


async def test_the_other_judge_agrees_on_what_arrived(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(request("/1") + post(CHUNKED, body=b"3;x\r\nabc\r\n0\r\n\r\n") + request("/2"))
        for _ in range(3):
            client.response()
    arrived = b"".join(received.head + received.raw_body for received in application.requests)
    assert await by_llhttp(arrived) == by_h11(arrived)


def test_an_error_in_the_middle_of_a_pipeline_ends_it_there(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(
            request("/1")
            + request("/2", method="POST", body=b"x")
            + post(b"Content-Length: 1", CHUNKED, body=END)
            + SMUGGLED
        )
        assert client.response().body == b"/1 "
        assert client.response().body == b"/2 x"
        assert client.response().status == 400
        assert client.rest() == b""
    assert is_healthy(sidecar)
    targets = [received.target for received in application.requests]
    assert targets == [b"/1", b"/2", b"/healthy"]


# --- the same with bytes that nobody thought of ---

NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
KNOWN_TO_LLHTTP = frozenset(b"GET POST PUT PATCH DELETE OPTIONS TRACE PROPFIND".split())
END_OF_TALK = b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

EVIL_PIECES = [
    *(bytes((byte,)) for byte in b"\x00\t\n\r \x0b:;,0159afx\x7f\x80\xa0\xff"),
    b"\r\n",
    b"\n\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding : chunked",
    b"\r\nContent-Length: 0",
    b"\r\n ",
    SMUGGLED,
]


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    method = draw(methods.filter(lambda name: name != b"HEAD"))
    target, lines = draw(targets), draw(fields)
    body = draw(st.binary(max_size=30) | st.just(SMUGGLED))
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    lines = [*lines, (b"Host", b"a")]
    if kind == "length":
        lines.append((b"Content-Length", b"%d" % len(body)))
    elif kind == "chunked":
        lines.append((b"Transfer-Encoding", b"chunked"))
        cut = draw(st.integers(0, len(body)))
        body = chunked([body[:cut], body[cut:]])
    else:
        body = b""
    whole = (
        head_bytes(b"%b %b HTTP/1.1\r\n" % (method, target), draw(st.permutations(lines))) + body
    )
    for _ in range(draw(st.integers(0, 2))):
        at, cut = draw(st.integers(0, len(whole))), draw(st.integers(0, 3))
        whole = whole[:at] + draw(st.sampled_from(EVIL_PIECES)) + whole[at + cut :]
    return whole


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(messages(), min_size=1, max_size=3))
def test_whatever_is_sent_the_application_gets_only_what_other_parsers_read_too(
    impatient: SidecarProcess, application: Application, sent: list[bytes]
) -> None:
    def answer_nothing(talk: Talk, received: Request) -> None:
        talk.read_body(received)
        complete.append(received)
        talk.send(NOTHING)

    complete: list[Request] = []
    application.answer = answer_nothing
    data = b"".join(sent) + END_OF_TALK
    with impatient.connect() as client:
        send_whole(client, data)
        answers = client.rest()
    arrived = list(complete)
    assert answers.count(b"HTTP/1.1 204 ") <= len(arrived)
    if not all(one.target.isascii() for one in arrived):
        return  # such targets pass on purpose, byte for byte; other parsers refuse them
    readings = []
    for one in arrived:
        raw = one.head + one.raw_body
        judged = by_h11(raw)
        assert len(judged) == 1
        if judged[0].method in KNOWN_TO_LLHTTP:
            assert asyncio.run(by_llhttp(raw)) == judged
        readings.append(judged[0])
    expected = prefix_by_h11(data)
    for ours, theirs in zip(readings, expected, strict=False):
        assert (ours.method, ours.target, ours.body) == (theirs.method, theirs.target, theirs.body)
    assert len(readings) <= len(expected)


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, shared_application: Application
) -> Iterator[SidecarProcess]:
    """A sidecar that does not wait long for what never comes."""
    short = {"header": "0.2s", "idle": "0.2s", "body_idle": "0.2s"}
    configuration = {
        "service": "s",
        "upstream": {"url": shared_application.url, "response_timeout": "0.4s"},
        "auth": {"mode": "off"},
        "log": {"access": "off"},
        "timeouts": short,
        "version": {"paths": []},
        "shutdown": {"drain": "0", "grace": "1s"},
    }
    process = SidecarProcess(tmp_path_factory.mktemp("impatient"), configuration)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop()
