import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.errors import Draining, UpstreamBusy, UpstreamRefused
from sidecar.net.flow import NEVER
from sidecar.upstream.client import Upstream
from sidecar.upstream.connection import UpstreamConnection
from sidecar.upstream.settings import UpstreamSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Application(asyncio.Protocol):
    """Answers everything with OK."""

    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        type(self).connections += 1

    def data_received(self, data: bytes) -> None:
        self._transport.write(OK)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    Application.connections = 0
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Application, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def upstream_of(url: str, *, limit: int = 2, connect_timeout_s: float = 20.0) -> Upstream:
    settings = UpstreamSettings(url=url, max_connections=limit, connect_timeout_s=connect_timeout_s)
    return Upstream(settings, asyncio.get_running_loop())


async def use(connection: UpstreamConnection) -> None:
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", NEVER)
    assert (await connection.next_head()).status == 200
    assert await connection.body.read() == b""


async def test_a_connection_that_was_given_back_is_lent_again(url: str) -> None:
    upstream = upstream_of(url)
    first = await upstream.acquire(must_be_fresh=False)
    await use(first)
    upstream.give_back(first)
    assert await upstream.acquire(must_be_fresh=True) is first
    assert Application.connections == 1
    upstream.close()


async def test_a_connection_in_the_middle_of_an_answer_is_not_lent_again(url: str) -> None:
    upstream = upstream_of(url)
    first = await upstream.acquire(must_be_fresh=False)
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", NEVER)
    upstream.give_back(first)
    assert await upstream.acquire(must_be_fresh=False) is not first
    upstream.close()


async def test_a_new_connection_is_new_even_where_others_are_idle(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    first = await upstream.acquire(must_be_fresh=False)
    await use(first)
    upstream.give_back(first)
    second = await upstream.acquire_new()
    assert second is not first
    assert not second.was_used
    upstream.close()


async def test_whoever_waits_gets_the_connection_that_becomes_free(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    first = await upstream.acquire(must_be_fresh=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(upstream.acquire(must_be_fresh=False))
        await use(first)
        assert not waiting.done()
        upstream.give_back(first)
    assert waiting.result() is first
    upstream.close()


async def test_whoever_waits_too_long_is_told_that_all_are_busy(url: str) -> None:
    upstream = upstream_of(url, limit=1, connect_timeout_s=0.05)
    await upstream.acquire(must_be_fresh=False)
    with pytest.raises(UpstreamBusy):
        await upstream.acquire(must_be_fresh=False)
    upstream.close()


async def test_a_connection_that_is_lost_makes_room_for_whoever_waits(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    first = await upstream.acquire(must_be_fresh=False)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(upstream.acquire(must_be_fresh=False))
        await asyncio.sleep(0)
        upstream.discard(first)
    assert waiting.result() is not first
    upstream.close()


async def test_a_turn_that_somebody_no_longer_wants_goes_to_the_next(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    first = await upstream.acquire(must_be_fresh=False)
    await use(first)
    gone, next_in_turn = [
        asyncio.ensure_future(upstream.acquire(must_be_fresh=False))  # noqa: TID251
        for _ in range(2)
    ]
    await asyncio.sleep(0)
    upstream.give_back(first)  # wakes the first one, …
    gone.cancel()  # … which leaves before it has heard
    async with asyncio.timeout(10):
        assert await next_in_turn is first
    assert gone.cancelled()
    upstream.close()


async def test_nobody_there_is_an_error_and_costs_no_room() -> None:
    upstream = upstream_of("http://127.0.0.1:1", limit=1)
    for _ in range(3):
        with pytest.raises(UpstreamRefused):
            await upstream.acquire(must_be_fresh=False)


async def test_a_cancelled_attempt_to_connect_costs_no_room(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    for _ in range(3):
        attempt = asyncio.ensure_future(upstream.acquire(must_be_fresh=False))  # noqa: TID251
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
    upstream.give_back(await upstream.acquire(must_be_fresh=False))
    upstream.close()


async def test_after_the_close_nothing_is_lent_and_nobody_waits(url: str) -> None:
    upstream = upstream_of(url, limit=1)
    first = await upstream.acquire(must_be_fresh=False)
    waiting = asyncio.ensure_future(upstream.acquire(must_be_fresh=False))  # noqa: TID251
    await asyncio.sleep(0)
    upstream.close()
    with pytest.raises(Draining):
        await waiting
    with pytest.raises(Draining):
        await upstream.acquire(must_be_fresh=False)
    upstream.give_back(first)
    assert upstream.take_idle(must_be_fresh=False) is None


async def test_whoever_is_overtaken_again_and_again_waits_no_longer_than_said(url: str) -> None:
    upstream = upstream_of(url, limit=1, connect_timeout_s=0.5)
    busy = await upstream.acquire(must_be_fresh=False)
    await use(busy)
    waiting = asyncio.ensure_future(upstream.acquire(must_be_fresh=False))  # noqa: TID251
    for _ in range(100):  # for ten seconds, if need be
        await asyncio.sleep(0.1)
        if waiting.done():
            break
        upstream.give_back(busy)
        overtaking = upstream.take_idle(must_be_fresh=False)
        assert overtaking is busy
        await use(busy)
    with pytest.raises(UpstreamBusy):
        await asyncio.wait_for(waiting, 0)
    upstream.close()
