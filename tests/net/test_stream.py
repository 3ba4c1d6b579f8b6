import asyncio

import pytest

from sidecar.errors import ClientGone
from sidecar.net.stream import HIGH_WATER_BYTES, Stream, empty_stream


class Switch:
    """Notes when a stream stops and restarts its source."""

    def __init__(self) -> None:
        self.turns: list[str] = []

    def stream(self) -> Stream:
        return Stream(lambda: self.turns.append("stop"), lambda: self.turns.append("go"))


async def test_bytes_come_out_in_order_and_then_the_end() -> None:
    stream = Stream()
    stream.feed(b"a")
    stream.feed(b"b")
    assert await stream.read() == b"ab"
    stream.feed(b"c")
    stream.end()
    assert not stream.is_exhausted
    assert await stream.read() == b"c"
    assert stream.is_exhausted
    assert await stream.read() == b""
    assert stream.total_bytes == 3


async def test_a_reader_waits_until_something_comes() -> None:
    stream = Stream()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(stream.read())
        await asyncio.sleep(0)
        stream.feed(b"")
        await asyncio.sleep(0)
        assert not reading.done()
        stream.feed(b"a")
    assert reading.result() == b"a"


async def test_an_error_comes_after_the_bytes_that_came_before_it() -> None:
    stream = Stream()
    stream.feed(b"a")
    stream.fail(ClientGone())
    stream.fail(ValueError())
    assert stream.is_failed
    assert await stream.read() == b"a"
    for _ in range(2):
        with pytest.raises(ClientGone):
            await stream.read()


async def test_what_has_ended_cannot_fail() -> None:
    stream = Stream()
    stream.end()
    stream.fail(ClientGone())
    assert not stream.is_failed
    assert await stream.read() == b""
    assert await empty_stream().read() == b""


async def test_an_error_wakes_the_reader() -> None:
    stream = Stream()
    reading = asyncio.ensure_future(stream.read())  # noqa: TID251
    await asyncio.sleep(0)
    stream.fail(ClientGone())
    with pytest.raises(ClientGone):
        await reading


async def test_the_source_is_stopped_when_full_and_restarted_when_read() -> None:
    switch = Switch()
    stream = switch.stream()
    stream.feed(bytes(HIGH_WATER_BYTES - 1))
    assert switch.turns == []
    stream.feed(b"x")
    assert switch.turns == ["stop"]
    await stream.read()
    assert switch.turns == ["stop", "go"]
    stream.feed(b"x")
    await stream.read()
    assert switch.turns == ["stop", "go"]


async def test_a_cancelled_reader_does_not_take_the_next_readers_wake_up() -> None:
    stream = Stream()
    first = asyncio.ensure_future(stream.read())  # noqa: TID251
    await asyncio.sleep(0)
    first.cancel()
    # The second begins to wait here and now, before the first has heard that it is cancelled.
    asyncio.get_running_loop().call_later(0.01, stream.feed, b"a")
    async with asyncio.timeout(10):
        assert await stream.read() == b"a"
    assert first.cancelled()


async def test_whether_anything_was_read_is_remembered() -> None:
    stream = Stream()
    assert stream.take() == b""
    assert not stream.was_read
    stream.feed(b"a")
    assert not stream.was_read
    assert stream.take() == b"a"
    assert stream.was_read


def test_a_stream_says_what_state_it_is_in() -> None:
    stream = Stream()
    stream.feed(b"secret")
    assert repr(stream) == "<Stream open, 6 of 6 bytes waiting>"
