"""What is known of the fleet by now, kept current for the story and for the picture of it."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sidecar.rotation.replica import Fleet

#: Seconds between two looks.
_PACE_S = 0.5


class Source(Protocol):
    """Where the evidence is from: an embedded store, or a Prometheus."""

    @property
    def name(self) -> str: ...

    def options(self) -> list[str]:
        """How ``sidecar rotate`` is told to ask the same."""
        ...

    async def run(self) -> None:
        """Gather evidence, until cancelled."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    async def fleet(self) -> Fleet:
        """Everything that is known now."""
        ...


class Observer:
    """``show`` is called with each new view of the fleet."""

    def __init__(self, source: Source, show: Callable[[Fleet], None]) -> None:
        self._source = source
        self._show = show
        self._news = asyncio.Event()
        self._fleet: Fleet | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self._fleet = await self._source.fleet()
            self._show(self._fleet)
            self._news.set()
            self._news = asyncio.Event()
            await asyncio.sleep(_PACE_S)

    async def until(self, is_so: Callable[[Fleet], bool], patience_s: float) -> Fleet | None:
        """The first view from now on of which this is so; None: there was none in time."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            news = self._news
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + patience_s):
                    await news.wait()
            except TimeoutError:
                break
            if self._fleet is not None and is_so(self._fleet):
                return self._fleet
        return None
