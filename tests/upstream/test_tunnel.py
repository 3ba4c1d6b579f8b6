import asyncio

import pytest

from sidecar.net.flow import Flow
from sidecar.upstream.tunnel import Tunnel
from tests.net.transports import FakeTransport


class End(Flow):
    """One end of a tunnel, with a transport that is none."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop(), stall_s=0)
        self.fake = FakeTransport(self)
        self.transport = self.fake


@pytest.fixture
async def ends() -> tuple[End, End]:
    return End(), End()


@pytest.fixture
async def tunnel(ends: tuple[End, End]) -> Tunnel:
    return Tunnel(*ends, asyncio.get_running_loop())


async def test_bytes_pass_both_ways(ends: tuple[End, End], tunnel: Tunnel) -> None:
    client, application = ends
    tunnel.open(b"early up", b"early down")
    tunnel.carry(client, b"!")
    tunnel.carry(application, b"?")
    await asyncio.sleep(0)
    assert application.fake.written == b"early up!"
    assert client.fake.written == b"early down?"
    assert tunnel.bytes_to_client == 11


async def test_whoever_is_faster_than_the_other_is_stopped_until_that_has_read(
    ends: tuple[End, End], tunnel: Tunnel
) -> None:
    client, application = ends
    application.pause_writing()
    tunnel.carry(client, b"a")
    assert client.fake.is_reading_paused
    assert not application.fake.is_reading_paused
    application.resume_writing()
    assert not client.fake.is_reading_paused


async def test_one_side_may_end_before_the_other(ends: tuple[End, End], tunnel: Tunnel) -> None:
    client, application = ends
    assert tunnel.half_close(client)
    assert application.fake.has_eof
    assert not client.fake.has_eof
    assert not tunnel.done.done()
    tunnel.carry(application, b"still")
    await asyncio.sleep(0)
    assert client.fake.written == b"still"
    tunnel.half_close(application)
    assert tunnel.done.done()
    assert client.fake.is_closed
    assert application.fake.is_closed


@pytest.mark.parametrize("side", [0, 1])
async def test_when_one_side_is_lost_the_other_is_closed(
    ends: tuple[End, End], tunnel: Tunnel, side: int
) -> None:
    ends[side].transport = None
    tunnel.lose(ends[side])
    assert ends[1 - side].fake.is_closed
    assert tunnel.done.done()


@pytest.mark.parametrize("side", [0, 1])
async def test_an_end_that_came_before_the_tunnel_is_not_forgotten(
    ends: tuple[End, End], tunnel: Tunnel, side: int
) -> None:
    ends[side].has_ended = True
    tunnel.open(b"a", b"b")
    assert ends[0].fake.written == b"b"
    assert ends[1].fake.written == b"a"
    assert ends[1 - side].fake.has_eof


@pytest.mark.parametrize("side", [0, 1])
async def test_a_loss_that_came_before_the_tunnel_is_not_forgotten(
    ends: tuple[End, End], tunnel: Tunnel, side: int
) -> None:
    ends[side].transport = None
    tunnel.open(b"a", b"b")
    assert ends[1 - side].fake.written == (b"a" if side == 0 else b"b")
    assert ends[1 - side].fake.is_closed
    assert tunnel.done.done()


async def test_what_was_stopped_before_the_tunnel_is_started(
    ends: tuple[End, End], tunnel: Tunnel
) -> None:
    for end in ends:
        end.pause_reading()
    tunnel.open(b"", b"")
    assert not any(end.fake.is_reading_paused for end in ends)


async def test_a_cut_ends_both_sides_at_once(ends: tuple[End, End], tunnel: Tunnel) -> None:
    tunnel.cut()
    assert all(end.fake.is_closing() for end in ends)
    assert tunnel.done.done()
    tunnel.cut()
