"""The loop that keeps the keyring fresh."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.keys.refresh import keep_fresh
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.source import SourceReading
from sidecar.keys.store import KeyStore, build_sources
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
