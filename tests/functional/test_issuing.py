"""Beside a service that hands out tokens: each is in the ledger before its caller has it, and the
answer is passed on as it came."""

import gzip
import json
import re
import time
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.application import OK, Application, Request, Talk, answering
from tests.functional.client import Response, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.login import (
    AT_ONCE,
    AUTH,
    CODINGS,
    Issuer,
    answer,
    issued,
    json_answer,
    log_in,
    unreadable,
    unwatched_until,
)
from tests.functional.sidecar_process import SidecarProcess, wait_until

_DATE = re.compile(rb"Date: [^\r]+\r\n")


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": AUTH,
        "shutdown": AT_ONCE,
        "upstream": {"response_timeout": "1s"},
    }


@pytest.fixture
def issuer(application: Application, signer: Signer) -> Issuer:
    return Issuer(application, signer)


@pytest.fixture
def counted(sidecar: SidecarProcess) -> dict[str, float]:
    """How many were handed out before the test."""
    return issued(sidecar)


# --- what is seen ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/login", "/api/header", "/api/cookie", "/api/deep/x"])
def test_a_token_is_seen_wherever_it_is_handed_out(
    sidecar: SidecarProcess, issuer: Issuer, counted: dict[str, float], path: str
) -> None:
    issuer.claims = {"lifetime_s": 7200}
    answered = log_in(sidecar, path)
    assert answered.status == 200
    assert issuer.handed_out[0].encode() in answered.raw
    assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + 1
    key = sidecar.keys()["2026-11"]
    assert key["issued_total"] == issued(sidecar)["2026-11"]
    metrics = sidecar.metrics()
    expiry = metrics.value("sidecar_issued_key_latest_expiry_timestamp_seconds", key="2026-11")
    assert abs(expiry - time.time() - 7200) < 60
    lifetime = metrics.value("sidecar_issued_key_longest_lifetime_seconds", key="2026-11")
    assert lifetime == 7200


def test_a_token_is_counted_before_its_caller_has_it(
    sidecar: SidecarProcess, issuer: Issuer, counted: dict[str, float]
) -> None:
    for number in range(1, 6):
        with sidecar.connect() as client:
            client.send(request("/api/login", method="POST", body=b"{}"))
            assert client.socket.recv(1) == b"H"  # the very first byte of the answer
            assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + number


def test_other_paths_and_methods_are_not_looked_at(
    sidecar: SidecarProcess, application: Application, signer: Signer, counted: dict[str, float]
) -> None:
    application.answer = Issuer(application, signer).answer
    before = unreadable(sidecar)
    sidecar.ask(request("/api/other", method="POST", body=b"{}"))
    sidecar.ask(request("/api/login", method="GET"))
    assert issued(sidecar) == counted
    assert unreadable(sidecar) == before


def test_the_same_path_spelt_otherwise_is_watched_too(
    sidecar: SidecarProcess, application: Application, signer: Signer, counted: dict[str, float]
) -> None:
    body = json_answer({"Authorization": signer.token()})

    def careless(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        talk.send(body)

    application.answer = careless
    for path in ("/api/login/", "/api/Login", "/api/%6cogin", "/api/login;x=1", "/api/login?a=/b"):
        assert log_in(sidecar, path).status == 200, path
    assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + 5


def test_a_token_of_a_key_that_nobody_has_is_counted_apart_and_said_aloud(
    launch: Launch, application: Application, keyring: Any, signer: Signer, stranger: Signer
) -> None:
    signer.publish(keyring)
    Issuer(application, stranger)
    sidecar = launch({"auth": AUTH, "shutdown": AT_ONCE}, application=application, keyring=keyring)
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_issued_tokens_total", key="none", generation="none") == 0
    assert metrics.value("sidecar_issued_key_last_timestamp_seconds", key="none") == 0
    assert log_in(sidecar).status == 200
    assert issued(sidecar) == {"none": 1}
    last = sidecar.metrics().value("sidecar_issued_key_last_timestamp_seconds", key="none")
    assert abs(last - time.time()) < 60
    sidecar.wait_for_log("no key of the keyring verifies")
    (line,) = [line for line in sidecar.log if "no key of the keyring" in line["message"]]
    assert line["level"] == "error"
    assert sidecar.admin("/keys").json()["issuing"]["unknown_total"] == 1


# --- passed on byte for byte -----------------------------------------------------------------


def same(through: Response, raw: bytes) -> bool:
    """Whether the answer is, but for the date that was added, what the application sent."""
    return _DATE.sub(b"", through.raw) == raw


@pytest.mark.parametrize("coding", CODINGS)
def test_an_encoded_answer_is_read_and_passed_on_as_it_came(
    sidecar: SidecarProcess,
    application: Application,
    signer: Signer,
    counted: dict[str, float],
    coding: str,
) -> None:
    raw = json_answer({"Authorization": f"Bearer {signer.token()}"}, "ETag: W/1", coding=coding)
    application.answer = answering(raw)
    answered = log_in(sidecar, "/api/login", f"Accept-Encoding: {coding}")
    assert same(answered, raw)
    assert application.last.values("Accept-Encoding") == [coding.encode()]
    assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + 1


def test_a_bare_deflate_stream_is_read_too(
    sidecar: SidecarProcess, application: Application, signer: Signer, counted: dict[str, float]
) -> None:
    packer = zlib.compressobj(wbits=-15)
    body = json.dumps({"Authorization": signer.token()}).encode()
    body = packer.compress(body) + packer.flush()
    raw = answer(body, "Content-Encoding: deflate")
    application.answer = answering(raw)
    assert same(log_in(sidecar), raw)
    assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + 1


def test_the_application_is_not_asked_for_what_nobody_here_can_read(
    sidecar: SidecarProcess, application: Application, issuer: Issuer
) -> None:
    fields = ("Accept-Encoding: br;q=1.0, gzip;q=0.8, *;q=0.1", "Range: bytes=0-1")
    log_in(sidecar, "/api/login", *fields)
    assert application.last.values("Accept-Encoding") == [b"gzip;q=0.8"]
    assert application.last.values("Range") == []
    log_in(sidecar, "/api/login", "Accept-Encoding: zstd")
    assert application.last.values("Accept-Encoding") == [b"identity"]
    log_in(sidecar)
    assert application.last.values("Accept-Encoding") == []
    sidecar.ask(request("/api/other", *fields))
    assert application.last.values("Accept-Encoding") == [fields[0].partition(": ")[2].encode()]


pieces = st.lists(st.binary(min_size=1, max_size=200), max_size=6)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    parts=pieces,
    is_chunked=st.booleans(),
    has_trailer=st.booleans(),
    status=st.sampled_from(
        ["200 OK", "201 Created", "204 No Content", "302 Found", "400 Bad Request", "500 Oh"]
    ),
)
def test_whatever_the_application_answers_is_passed_on(
    sidecar: SidecarProcess,
    application: Application,
    parts: list[bytes],
    is_chunked: bool,
    has_trailer: bool,
    status: str,
) -> None:
    is_bodyless = status.startswith("204")
    fields = "Set-Cookie: a=1\r\nX-odd:  spaced \r\nSet-Cookie: b=2\r\n"
    if is_bodyless:
        raw = f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()
    elif is_chunked:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        trailer = b"X-Sum: 7\r\n" if has_trailer else b""
        head = f"HTTP/1.1 {status}\r\n{fields}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw = head.encode() + chunks + b"0\r\n" + trailer + b"\r\n"
    else:
        raw = answer(b"".join(parts), *fields.removesuffix("\r\n").split("\r\n"), status=status)

    def by_pieces(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        for start in range(0, len(raw), 97):
            talk.send(raw[start : start + 97])

    application.answer = by_pieces
    body = b"" if is_bodyless else b"".join(parts)
    ask = request("/api/x", "TE: trailers", "Connection: TE", method="POST", body=b"{}")
    plain = sidecar.ask(ask)
    watched = sidecar.ask(ask.replace(b"/api/x", b"/api/login"))
    for seen in (plain, watched):
        assert seen.status == int(status[:3])
        assert seen.body == body
    without_date = [[f for f in seen.fields if f[0] != b"Date"] for seen in (plain, watched)]
    assert without_date[0] == without_date[1]
    assert plain.trailers == watched.trailers


def test_no_token_slips_out_behind_the_body(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    fields = f"X-Token: {signer.token()}\r\nTrailer: X-Token, X-Sum\r\nTransfer-Encoding: chunked"
    trailers = f"X-Sum: 7\r\nX-Token: {signer.token()}"
    raw = f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n1\r\nx\r\n0\r\n{trailers}\r\n\r\n".encode()
    application.answer = answering(raw)
    answered = sidecar.ask(request("/api/header", "TE: trailers", "Connection: TE"))
    assert (answered.status, answered.body) == (200, b"x")
    assert answered.trailers == [(b"X-Sum", b"7")]


def test_interim_answers_come_through_and_head_needs_no_token(
    sidecar: SidecarProcess, application: Application, counted: dict[str, float], signer: Signer
) -> None:
    before = unreadable(sidecar)
    raw = json_answer({"Authorization": signer.token()})

    def hinting(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        talk.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw)

    application.answer = hinting
    answered = log_in(sidecar)
    assert [status for status, _ in answered.interim] == [103]
    assert issued(sidecar)["2026-11"] == counted.get("2026-11", 0) + 1
    application.answer = lambda talk, asked: talk.send(answer(b"", status="200 OK"))
    with sidecar.connect() as client:
        client.send(request("/api/deep/x", method="HEAD"))
        assert client.response("HEAD").status == 200
    assert unreadable(sidecar) == before


def test_another_path_streams_while_a_watched_one_waits(
    sidecar: SidecarProcess, application: Application
) -> None:
    def halting(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")

    application.answer = halting
    with sidecar.connect() as client:
        client.send(request("/api/other"))
        seen = b""
        while b"ab" not in seen:
            seen += client.socket.recv(4096)
    application.hang_up()


# --- what cannot be read ---------------------------------------------------------------------

BOMB = gzip.compress(b"[" * 100_000_000, 9)
UNREADABLE = [
    ("no_token", json_answer({"error": None})),
    ("no_json", answer(b"Bearer none")),
    ("no_json", answer(b'{"Authorization": "a", "Authorization": "b"}')),
    ("no_jwt", json_answer({"Authorization": "Bearer not.a.jwt"})),
    ("no_jwt", json_answer({"Authorization": {"deeper": "x"}})),
    ("encoding", answer(b"abc", "Content-Encoding: br")),
    ("encoding", answer(b"abc", "Content-Encoding: gzip")),
    ("encoding", answer(gzip.compress(b"{}")[:-4], "Content-Encoding: gzip")),
    ("too_large", answer(BOMB, "Content-Encoding: gzip")),
    ("too_large", answer(b'{"Authorization": "' + b"a" * 1_000_000 + b'"}')),
]


@pytest.mark.parametrize(("reason", "raw"), UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_answer_that_cannot_be_read_is_passed_on_untouched_and_counted(
    sidecar: SidecarProcess, application: Application, reason: str, raw: bytes
) -> None:
    application.answer = answering(raw)
    before = unreadable(sidecar).get((reason,), 0)
    peak = sidecar.peak_memory_bytes()
    answered = log_in(sidecar)
    assert same(answered, raw)
    assert unreadable(sidecar)[(reason,)] == before + 1
    assert abs(unwatched_until(sidecar) - time.time()) < 30
    assert sidecar.peak_memory_bytes() - peak < 16 << 20


def test_a_slow_answer_is_passed_on_and_counts_as_unread_until_it_ends(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    raw = json_answer({"Authorization": signer.token()})
    may_end = [False]

    def slow(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        talk.send(raw[:-5])
        wait_until(lambda: may_end[0], "the test has seen enough")
        talk.send(raw[-5:])

    application.answer = slow
    before = unreadable(sidecar).get(("too_slow",), 0)
    with sidecar.connect() as client:
        client.send(request("/api/login", method="POST", body=b"{}"))
        seen = b""
        while len(seen) < len(raw) - 5:  # comes once the patience of 1 s is over
            seen += client.socket.recv(65536)
        assert unreadable(sidecar)[("too_slow",)] == before + 1
        first = unwatched_until(sidecar)
        wait_until(lambda: unwatched_until(sidecar) > first, "it still passes unread")
        may_end[0] = True
        wait_until(lambda: client.socket.recv(16) != b"", "the rest came")
    ended = unwatched_until(sidecar)
    time.sleep(1.2)  # nothing passes unread any more, so the moment stays
    assert unwatched_until(sidecar) <= ended + 2


def test_an_answer_that_breaks_off_hands_nothing_out(
    sidecar: SidecarProcess, application: Application, counted: dict[str, float], signer: Signer
) -> None:
    raw = json_answer({"Authorization": signer.token()})

    def broken(talk: Talk, asked: Request) -> None:
        talk.read_body(asked)
        talk.send(raw[:-5])
        talk.close()

    application.answer = broken
    answered = log_in(sidecar)
    assert answered.status == 502
    assert issued(sidecar) == counted


def test_a_refused_login_needs_no_token(sidecar: SidecarProcess, application: Application) -> None:
    before = unreadable(sidecar)
    for raw in (
        json_answer({"error": "wrong password"}).replace(b"200 OK", b"401 No"),
        answer(b"", "Location: /", status="303 See Other"),
        answer(b"<html>", status="500 Oh"),
    ):
        application.answer = answering(raw)
        assert same(log_in(sidecar), raw)
    assert unreadable(sidecar) == before


def test_nobody_speaks_another_protocol_where_tokens_are_handed_out(
    sidecar: SidecarProcess, application: Application, issuer: Issuer
) -> None:
    upgrade = ("Connection: upgrade", "Upgrade: websocket")
    sidecar.ask(request("/api/header", *upgrade))
    assert application.last.values("Upgrade") == []
    application.answer = lambda talk, asked: talk.send(OK)
    sidecar.ask(request("/api/other", *upgrade))
    assert application.last.values("Upgrade") == [b"websocket"]
