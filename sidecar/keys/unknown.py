"""What happens when a token names a key that the keyring does not have.

It may have been signed with a key that its issuer has just begun to use. So every remote source is
asked at once, but no more often than its schedule allows however many such tokens there are, and
the first requests wait a moment for the answer. The others are refused without any delay: nobody
can make the sidecar hammer an issuer, or pile up requests that wait.

Made by ``app.build``; called by ``proxy.pipeline``.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from sidecar.keys.remote import RemoteSource

#: How long after it began a look is waited for.
PATIENCE_S: Final = 1.0
#: How many requests may wait at the same time.
MAX_WAITING: Final = 100


class UnknownKeys:
    """``timer`` tells seconds that never jump, the same as the sources'."""

    def __init__(
        self,
        sources: Sequence[RemoteSource],
        *,
        patience_s: float = PATIENCE_S,
        max_waiting: int = MAX_WAITING,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = tuple(sources)
        self._patience_s = patience_s
        self._max_waiting = max_waiting
        self._timer = timer
        self._waiting = 0

    def note(self) -> None:
        """A token named an unknown key, or there was no key at all; nobody waits for the answer."""
        for source in self._sources:
            source.hurry()

    async def resolve(self) -> bool:
        """A token named an unknown key: wait for a look that is due or has just begun.

        Whether the token is worth a second try with the keyring of then.
        """
        began_at = {source: source.hurry() for source in self._sources}
        looking = {source: at for source, at in began_at.items() if at is not None}
        if not looking or self._waiting >= self._max_waiting:
            return False
        patience_s = max(looking.values()) + self._patience_s - self._timer()
        if patience_s <= 0:
            return False
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    for source in looking:
                        await source.wait_until_settled()
        finally:
            self._waiting -= 1
        return True
