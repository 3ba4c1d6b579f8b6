import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import (
    SidecarError,
    UpstreamBrokeOff,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
)
from sidecar.net.flow import NEVER
from sidecar.net.stream import HIGH_WATER_BYTES
from sidecar.upstream.connection import MAX_INTERIM, State, UpstreamConnection
from tests.net.transports import FakeTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Line:
    """A connection whose application is the test."""

    def __init__(self, method: str = "GET") -> None:
        self.lost: list[UpstreamConnection] = []
        self.connection = UpstreamConnection(asyncio.get_running_loop(), on_lost=self.lost.append)
        self.transport = FakeTransport()
        self.connection.connection_made(self.transport)
        self.ask(method)

    def ask(self, method: str = "GET") -> None:
        self.connection.send(b"request", method, NEVER)

    def say(self, data: bytes, size: int = 1 << 20) -> None:
        """Let these bytes arrive, in pieces of that size, until the connection is given up."""
        for at in range(0, len(data), size):
            if not self.transport.is_aborted:
                self.connection.data_received(data[at : at + size])

    def hang_up(self) -> None:
        """End the application's side, as a transport tells of it."""
        if not self.connection.eof_received():
            self.connection.connection_lost(None)

    async def outcome(self) -> tuple[int, bytes] | type[SidecarError]:
        """Status and body, or the kind of error."""
        try:
            while (head := await self.connection.next_head()).status < 200:
                pass
            body = b""
            while data := await self.connection.body.read():
                body += data
        except SidecarError as error:
            return type(error)
        return head.status, body


ANSWERS = {
    "a length": (OK, b"ok"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "an empty body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n1;x\r\n!\r\n0\r\nA: b\r\n\r\n",
        b"ok!",
    ),
    "interim answers first": (b"HTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" * 3 + OK, b"ok"),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("case", ANSWERS)
async def test_an_answer_is_the_same_however_it_arrives_and_the_connection_goes_on(
    case: str, size: int
) -> None:
    raw, body = ANSWERS[case]
    line = Line()
    for _ in range(2):
        line.say(raw, size)
        outcome = await line.outcome()
        assert outcome == (204 if case == "no body" else 200, body)
        assert line.connection.state is State.IDLE
        assert line.connection.is_reusable
        assert line.connection.was_used
        line.ask()
        assert not line.connection.is_reusable


@pytest.mark.parametrize("size", [1, 1 << 20])
async def test_an_answer_until_the_close_ends_with_it(size: int) -> None:
    line = Line()
    line.say(b"HTTP/1.1 200 OK\r\n\r\nall of it", size)
    assert line.connection.state is State.BODY
    line.hang_up()
    assert await line.outcome() == (200, b"all of it")
    assert not line.connection.is_reusable
    assert line.lost == [line.connection]


@pytest.mark.parametrize("case", ["a length", "chunks"])
async def test_an_answer_that_is_cut_anywhere_is_an_error(case: str) -> None:
    raw, _ = ANSWERS[case]
    for end in range(len(raw)):
        line = Line()
        line.say(raw[:end])
        line.hang_up()
        assert await line.outcome() is UpstreamBrokeOff, raw[:end]
        assert line.connection.has_answered == (end > 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_the_application_will_close_is_not_used_again(raw: bytes) -> None:
    line = Line()
    line.say(raw)
    assert await line.outcome() == (200, b"ok")
    assert not line.connection.is_reusable
    assert line.transport.is_closed


@pytest.mark.parametrize("raw", [OK, ANSWERS["chunks"][0], ANSWERS["no body"][0]])
async def test_more_than_an_answer_ends_the_connection(raw: bytes) -> None:
    at_once, later = Line(), Line()
    at_once.say(raw + b"H")
    assert not at_once.connection.is_reusable
    assert at_once.transport.is_closing()
    later.say(raw)
    later.say(b"H")
    assert not later.connection.is_reusable
    assert later.transport.is_aborted


async def test_an_answer_to_head_has_no_body_whatever_it_says() -> None:
    line = Line("HEAD")
    line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    assert await line.outcome() == (200, b"")
    assert line.connection.is_reusable
    line.ask("HEAD")
    line.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert await line.outcome() == (200, b"")
    assert not line.connection.is_reusable


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 12_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1) + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
async def test_what_is_not_http_is_an_error_and_ends_the_connection(raw: bytes, size: int) -> None:
    line = Line()
    line.say(raw, size)
    assert await line.outcome() is UpstreamMalformed
    assert line.transport.is_aborted
    assert not line.connection.is_reusable


async def test_interim_answers_are_counted_even_when_each_is_taken_at_once() -> None:
    line = Line()
    for _ in range(MAX_INTERIM):
        line.say(b"HTTP/1.1 103 Early\r\n\r\n")
        assert (await line.connection.next_head()).status == 103
    line.say(b"HTTP/1.1 103 Early\r\n\r\n")
    assert await line.outcome() is UpstreamMalformed


@given(st.binary(max_size=200), st.sampled_from([1, 3, 1000]))
def test_whatever_the_application_says_it_is_an_answer_or_an_error(raw: bytes, size: int) -> None:
    async def talk() -> None:
        line = Line()
        line.say(raw, size)
        line.hang_up()
        outcome = await line.outcome()
        assert isinstance(outcome, tuple) or issubclass(outcome, UpstreamError)

    asyncio.run(talk())


async def test_an_overdue_answer_is_given_up() -> None:
    line = Line()
    line.connection.send(b"request", "GET", 100.0)
    line.connection.check_deadline(99.0)
    line.connection.postpone(200.0)
    line.connection.check_deadline(150.0)
    assert not line.transport.is_aborted
    line.connection.check_deadline(200.0)
    assert await line.outcome() is UpstreamTimeout
    assert line.transport.is_aborted


async def test_a_body_is_not_overdue_once_its_head_is_here() -> None:
    line = Line()
    line.connection.send(b"request", "GET", 100.0)
    line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    line.connection.check_deadline(1e9)
    line.say(b"ok")
    assert await line.outcome() == (200, b"ok")


async def test_an_application_that_is_faster_than_the_client_is_stopped() -> None:
    line = Line()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    await line.connection.next_head()
    line.say(bytes(HIGH_WATER_BYTES))
    assert line.transport.is_reading_paused
    assert len(await line.connection.body.read()) == HIGH_WATER_BYTES
    assert not line.transport.is_reading_paused


async def test_a_body_that_nobody_reads_does_not_deafen_the_connection_to_its_next_answer() -> None:
    line = Line()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HIGH_WATER_BYTES)
    await line.connection.next_head()
    line.say(bytes(HIGH_WATER_BYTES))
    # The client is gone: nobody takes the body, which is complete, so the connection is reusable.
    if line.connection.is_reusable:
        line.ask()
        assert not line.transport.is_reading_paused


async def test_after_101_bytes_are_only_bytes() -> None:
    line = Line()
    line.say(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nearly")
    line.say(b" bytes")
    assert (await line.connection.next_head()).status == 101
    assert line.connection.state is State.TUNNEL
    assert line.connection.take_early_bytes() == b"early bytes"
    assert not line.connection.is_reusable


async def test_a_connection_that_ends_while_idle_is_handed_back() -> None:
    line = Line()
    line.say(OK)
    assert await line.outcome() == (200, b"ok")
    line.hang_up()
    assert not line.connection.is_reusable
    assert line.lost == [line.connection]
