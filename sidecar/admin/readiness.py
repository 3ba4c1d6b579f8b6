"""Readiness as named latches: ready is when nobody holds one.

Each part that must be up first (the keyring, the listener) and each that ends it (the drain) holds
a latch of its own name, so no part can declare another ready. Set by ``app``, answered by
``admin.routes``; it refuses to guess: it starts with whatever latches it is given.
"""

from collections.abc import Callable, Mapping


class Readiness:
    """The latches that are held, each with a sentence that says why."""

    def __init__(self, **held: str) -> None:
        """``held``: name to why, the latches that are held from the start."""
        self._held: dict[str, str] = dict(held)
        self._when_ready: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Readiness {'waits for ' + ', '.join(self._held) if self._held else 'ready'}>"

    def hold(self, name: str, why: str) -> None:
        """Not ready until ``name`` is released; again with another ``why`` replaces the reason."""
        self._held[name] = why

    def release(self, name: str) -> None:
        """``name`` no longer stands in the way. Releasing what is not held is fine."""
        self._held.pop(name, None)
        self._call_if_ready()

    def when_ready(self, call: Callable[[], None]) -> None:
        """Call this once, as soon as nothing is held."""
        self._when_ready = call
        self._call_if_ready()

    def _call_if_ready(self) -> None:
        call = self._when_ready
        if call is not None and not self._held:
            self._when_ready = None
            call()

    @property
    def is_ready(self) -> bool:
        """Whether no latch is held."""
        return not self._held

    def reasons(self) -> Mapping[str, str]:
        """The latches that are held: name to why."""
        return dict(self._held)
