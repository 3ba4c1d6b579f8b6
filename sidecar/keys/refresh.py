"""Keeps the keyring fresh: looks at files over and over, and asks remote sources when they are due.

None of them waits for another: files are read in a thread, and each remote source has a task of its
own. Started by ``app.lifecycle`` in its task group; runs until it is cancelled and never ends by
itself. ``ask_once`` is for commands, which look once.
"""

import asyncio
import logging
from collections.abc import Sequence

from sidecar.keys.remote import RemoteSource
from sidecar.keys.source import KeySource
from sidecar.keys.store import KeyStore

log = logging.getLogger("sidecar.keys")


async def keep_fresh(store: KeyStore, *, interval_s: float = 0.5) -> None:
    """Look at files every ``interval_s`` seconds, so that a change is in use within two seconds,
    and at remote sources as their schedules say."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch_files(store, interval_s))
        for source in store.remote_sources:
            group.create_task(_ask_when_due(store, source))


async def ask_once(sources: Sequence[KeySource]) -> list[str]:
    """Ask every remote one of the sources, all at the same time; what is wrong with which."""
    remote = [source for source in sources if isinstance(source, RemoteSource)]
    async with asyncio.TaskGroup() as group:
        for source in remote:
            group.create_task(source.look())
    readings = [(source, source.load()) for source in remote]
    return [f"{source.name} {reading.error}" for source, reading in readings if reading.error]


async def _watch_files(store: KeyStore, interval_s: float) -> None:
    has_failed = False
    while True:
        try:
            await asyncio.to_thread(store.load)
            has_failed = False
        except Exception:
            if not has_failed:  # once, not twice a second
                log.exception("Loading the keys failed; the keys of before stay in use.")
            has_failed = True
        await asyncio.sleep(interval_s)


async def _ask_when_due(store: KeyStore, source: RemoteSource) -> None:
    while True:
        await source.wait_until_due()
        try:
            await source.look()
            store.take_news()
        except Exception:
            log.exception("Asking %s failed; its keys of before stay in use.", source.name)
        finally:
            source.settle()
