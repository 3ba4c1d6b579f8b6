"""Keeps the keyring fresh: looks at the sources over and over, in a thread.

Started by ``app.lifecycle`` in its task group; runs until it is cancelled and never ends by itself.
"""

import asyncio
import logging

from sidecar.keys.store import KeyStore

log = logging.getLogger("sidecar.keys")


async def keep_fresh(store: KeyStore, *, interval_s: float = 0.5) -> None:
    """Load every ``interval_s`` seconds, so that a change is in use within two seconds."""
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
