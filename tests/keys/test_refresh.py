"""The loop that keeps the keyring fresh."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.keys.build import build_sources
from sidecar.keys.refresh import keep_fresh
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.source import SourceReading
from sidecar.keys.store import KeyStore
from tests.keys.remote_source import URL, Answered, World, jwks
from tests.tokens.minting import pem


@asynccontextmanager
async def kept_fresh(store: KeyStore, interval_s: float = 0.01) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_fresh(store, interval_s=interval_s))
        yield
        assert not task.done()
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is awaited happens in a thread
            await asyncio.sleep(0.005)


async def test_a_change_in_the_directory_comes_into_use(tmp_path: Path) -> None:
    sources = build_sources([KeySourceSettings(str(tmp_path))])
    store = KeyStore(sources, newest=None, signing_since={}, clock=lambda: 1.0)
    async with kept_fresh(store):
        (tmp_path / "a.pub").write_bytes(pem())
        await until(lambda: store.current.newest == "a")
        (tmp_path / "b.pub").write_bytes(pem("ES256"))
        await until(lambda: store.current.newest == "b")
        (tmp_path / "b.pub").unlink()
        await until(lambda: store.current.newest == "a")
    assert list(store.current.by_id) == ["a"]


class Faulty:
    """A source with a bug in it."""

    name = "faulty"

    def __init__(self) -> None:
        self.loads = 0

    def load(self) -> SourceReading:
        self.loads += 1
        raise RuntimeError("a fault")


async def test_the_loop_survives_a_fault_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Faulty()
    store = KeyStore([source], newest=None, signing_since={}, clock=lambda: 1.0)
    with caplog.at_level(logging.ERROR, logger="sidecar.keys"):
        async with kept_fresh(store):
            await until(lambda: source.loads > 3)
    assert len(caplog.records) == 1


class Stuck:
    """A directory whose file system does not answer."""

    name = "stuck"

    def __init__(self) -> None:
        self.is_loading = threading.Event()
        self.is_over = threading.Event()

    def load(self) -> SourceReading:
        self.is_loading.set()
        self.is_over.wait(20)
        return SourceReading()


async def test_files_that_do_not_answer_hold_up_no_remote_source() -> None:
    world, stuck = World({URL: Answered(jwks("a"))}), Stuck()
    store = KeyStore([stuck, world.source()], newest=None, signing_since={}, clock=lambda: 1.0)
    async with kept_fresh(store):
        await until(stuck.is_loading.is_set)
        await until(lambda: store.current.newest == "a")
        assert not stuck.is_over.is_set()
        stuck.is_over.set()


class Silent(World):
    """Never answers."""

    async def fetch(self, url: str, *, etag: str | None, ca: str | None) -> Answered:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_remote_source_that_does_not_answer_holds_up_nothing(tmp_path: Path) -> None:
    world, silent = World({URL: Answered(jwks("a"))}), Silent()
    sources = [silent.source("silent"), world.source(), *build_sources(paths(tmp_path))]
    store = KeyStore(sources, newest=None, signing_since={}, clock=lambda: 1.0)
    async with kept_fresh(store):
        await until(lambda: store.current.newest == "a")
        (tmp_path / "b.pub").write_bytes(pem())
        await until(lambda: store.current.newest == "b")
    assert list(store.current.by_id) == ["a", "b"]


def paths(*paths: Path) -> list[KeySourceSettings]:
    return [KeySourceSettings(str(path)) for path in paths]


class Broken(World):
    """Has a fault in it, once."""

    async def fetch(self, url: str, *, etag: str | None, ca: str | None) -> Answered:
        if not self.asked:
            self.asked.append((url, etag))
            self.now += 2
            raise RuntimeError("a fault")
        return await super().fetch(url, etag=etag, ca=ca)


async def test_a_fault_in_asking_is_logged_and_the_source_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Broken({URL: Answered(jwks("a"))})
    store = KeyStore([world.source()], newest=None, signing_since={}, clock=lambda: 1.0)
    async with kept_fresh(store):
        await until(lambda: len(world.asked) == 1)
        world.now += 2
        await until(lambda: store.current.newest == "a")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        f"Asking {URL} failed; its keys of before stay in use."
    ]
