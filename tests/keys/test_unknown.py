"""Tokens that name an unknown key lead to one look, and the first of them wait for it."""

import asyncio
import time

from sidecar.keys.refresh import keep_fresh
from sidecar.keys.remote import RemoteSource
from sidecar.keys.schedule import Schedule
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.store import KeyStore
from sidecar.keys.unknown import UnknownKeys
from tests.keys.remote_source import URL, Answered, World, jwks


class SlowWorld(World):
    """Answers once ``is_open`` is set."""

    def __init__(self, *kids: str) -> None:
        super().__init__({URL: Answered(jwks(*kids))})
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def fetch(self, url: str, *, etag: str | None, ca: str | None) -> Answered:
        answer = await super().fetch(url, etag=etag, ca=ca)
        await self.is_open.wait()
        return answer


class Running:
    """A store that is kept fresh, with one source in which haste is allowed at once."""

    def __init__(self, world: World, *, haste_gap_s: float = 0.0) -> None:
        schedule = Schedule(3600, haste_gap_s=haste_gap_s)
        settings = KeySourceSettings(url=URL)
        self.source = RemoteSource(URL, settings, world.fetch, schedule)
        self.store = KeyStore([self.source], newest=None, signing_since={}, clock=time.time)
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> "Running":
        await self._group.__aenter__()
        self._task = self._group.create_task(keep_fresh(self.store, interval_s=3600))
        async with asyncio.timeout(20):
            await self.source.wait_until_settled()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)


async def test_the_first_one_waits_and_finds_the_new_key() -> None:
    world = SlowWorld("a")
    async with Running(world) as running:
        unknown = UnknownKeys([running.source], patience_s=20)
        assert list(running.store.current.by_id) == ["a"]
        world.answers[URL] = Answered(jwks("a", "b"))
        assert await unknown.resolve()
        assert list(running.store.current.by_id) == ["a", "b"]
    assert len(world.asked) == 2


async def test_without_haste_nobody_waits() -> None:
    world = SlowWorld("a")
    async with Running(world, haste_gap_s=3600) as running:
        unknown = UnknownKeys([running.source], patience_s=20)
        assert not any([await unknown.resolve() for _ in range(1000)])
    assert len(world.asked) == 1


async def test_an_issuer_that_stalls_is_not_waited_for_in_vain() -> None:
    world = SlowWorld("a")
    async with Running(world) as running:
        world.is_open.clear()
        unknown = UnknownKeys([running.source], patience_s=0.05)
        assert await unknown.resolve()  # waited for nothing, and may try again
        await asyncio.sleep(running.source._began_at + 0.06 - time.monotonic())
        assert not await unknown.resolve()
    assert len(world.asked) == 2


async def test_only_so_many_wait_and_one_look_serves_them_all() -> None:
    world = SlowWorld("a")
    async with Running(world) as running, asyncio.TaskGroup() as group:
        world.is_open.clear()
        unknown = UnknownKeys([running.source], patience_s=20, max_waiting=3)
        waiting = [group.create_task(unknown.resolve()) for _ in range(10)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.done() and task.result() for task in waiting[3:]] == [False] * 7
        assert not any(task.done() for task in waiting[:3])
        world.is_open.set()
        async with asyncio.timeout(20):
            assert all([await task for task in waiting[:3]])
    assert len(world.asked) <= 3  # the start, the look that was waited for, one for those during it


async def test_without_remote_sources_there_is_nothing_to_wait_for() -> None:
    unknown = UnknownKeys([])
    unknown.note()
    assert not await unknown.resolve()


async def test_a_token_that_is_only_noted_is_followed_by_a_look() -> None:
    world = SlowWorld("a")
    async with Running(world) as running:
        UnknownKeys([running.source]).note()
        async with asyncio.timeout(20):
            await running.source.wait_until_settled()
    assert len(world.asked) == 2
