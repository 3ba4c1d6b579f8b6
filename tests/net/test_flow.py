import asyncio
from collections.abc import Callable

import pytest

from sidecar.errors import ClientGone
from sidecar.net.flow import NEVER, Flow
from sidecar.net.outbox import MAX_WAITING, MAX_WAITING_BYTES
from tests.net.transports import FakeTransport


class Plain(Flow):
    """A flow with a transport and nothing else."""

    def __init__(self, *, stall_s: float = 10.0) -> None:
        super().__init__(asyncio.get_running_loop(), stall_s=stall_s)
        self.fake = FakeTransport(self)
        self.transport = self.fake


async def test_nobody_waits_while_the_peer_reads() -> None:
    flow = Plain()
    flow.write(b"a")
    assert not flow.is_stalled
    await flow.drain()
    await asyncio.sleep(0)
    assert flow.fake.written == b"a"


async def test_small_pieces_are_sent_after_a_turn_in_order_and_large_ones_at_once() -> None:
    one, other = Plain(), Plain()
    one.write(b"a")
    other.write(b"b")
    one.write(b"c")
    assert one.fake.written == other.fake.written == b""
    await asyncio.sleep(0)
    assert one.fake.written == b"ac"
    assert other.fake.written == b"b"
    one.write(b"d")
    one.write(b"e" * (MAX_WAITING_BYTES + 1))
    assert one.fake.written == b"acd" + b"e" * (MAX_WAITING_BYTES + 1)


async def test_no_piece_waits_for_more_than_so_many_others() -> None:
    flow = Plain()
    for _ in range(MAX_WAITING + 1):
        flow.write(b"a")
    assert flow.fake.written == b"a" * (MAX_WAITING + 1)


@pytest.mark.parametrize("end", [Flow.close, Flow.end_writing])
async def test_what_was_written_is_sent_before_the_end(end: Callable[[Flow], object]) -> None:
    flow = Plain()
    flow.write(b"a")
    end(flow)
    assert flow.fake.written == b"a"
    assert flow.fake.is_closed or flow.fake.has_eof


async def test_a_connection_that_fails_or_is_gone_takes_no_bytes_from_another() -> None:
    gone, faulty, sound = Plain(), Plain(), Plain()
    faulty.fake.is_faulty = True
    for flow in (gone, faulty, sound):
        flow.write(b"a")
    gone.fake.abort()
    await asyncio.sleep(0)
    assert gone.fake.written == b""
    assert faulty.fake.is_aborted
    assert sound.fake.written == b"a"


async def test_a_writer_waits_until_the_peer_has_read() -> None:
    flow = Plain()
    flow.pause_writing()
    assert flow.is_stalled
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(flow.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        flow.resume_writing()
    assert not flow.is_stalled


async def test_several_writers_are_all_woken_and_one_that_is_cancelled_disturbs_nobody() -> None:
    flow = Plain()
    flow.pause_writing()
    waiting = [asyncio.ensure_future(flow.drain()) for _ in range(3)]  # noqa: TID251
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    flow.resume_writing()
    await asyncio.gather(*waiting[1:])
    assert waiting[0].cancelled()


async def test_a_writer_learns_that_the_connection_is_gone() -> None:
    flow = Plain()
    flow.pause_writing()
    waiting = asyncio.ensure_future(flow.drain())  # noqa: TID251
    await asyncio.sleep(0)
    flow.give_up_writing(ClientGone())
    with pytest.raises(ClientGone):
        await waiting
    with pytest.raises(ClientGone):
        await flow.drain()


async def test_writing_to_what_is_gone_does_nothing() -> None:
    flow = Plain()
    flow.transport = None
    flow.write(b"a")
    assert flow.fake.written == b""


async def test_a_peer_that_takes_nothing_is_overdue_and_one_that_takes_little_is_not() -> None:
    flow = Plain(stall_s=10)
    now = flow.loop.time()
    assert not flow.is_write_overdue(now + 1e9)
    flow.fake.waiting = 1000
    flow.pause_writing()
    assert not flow.is_write_overdue(now + 9)
    flow.fake.waiting = 900
    assert not flow.is_write_overdue(now + 11)
    assert flow.is_write_overdue(now + 22)
    flow.resume_writing()
    assert not flow.is_write_overdue(now + 1e9)


async def test_without_a_limit_no_peer_is_ever_overdue() -> None:
    flow = Plain(stall_s=0)
    flow.pause_writing()
    assert not flow.is_write_overdue(NEVER / 2 if float("inf") != NEVER else 1e12)


async def test_reading_is_stopped_and_restarted_once() -> None:
    flow = Plain()
    flow.resume_reading()
    flow.pause_reading()
    flow.pause_reading()
    assert flow.fake.is_reading_paused
    flow.resume_reading()
    assert not flow.fake.is_reading_paused
    flow.fake.close()
    flow.pause_reading()
    assert not flow.fake.is_reading_paused
