import asyncio

import pytest

from sidecar.errors import ClientGone
from sidecar.net.flow import NEVER, Flow
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
    assert flow.fake.written == b"a"


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
