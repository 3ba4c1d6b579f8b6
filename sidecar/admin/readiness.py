"""Readiness as named latches: ready is when nobody holds one.

Each part that must be up first (the keyring, the listener) and each that ends it (the drain) holds
a latch of its own name, so no part can declare another ready. Set by ``app``, answered by
``admin.routes``; it refuses to guess: it starts with whatever latches it is given.
"""

from collections.abc import Mapping


class Readiness:
    """The latches that are held, each with a sentence that says why."""

    def __init__(self, **held: str) -> None:
        """``held``: name to why, the latches that are held from the start."""
        self._held: dict[str, str] = dict(held)

    def __repr__(self) -> str:
        return f"<Readiness {'waits for ' + ', '.join(self._held) if self._held else 'ready'}>"

    def hold(self, name: str, why: str) -> None:
        """Not ready until ``name`` is released; again with another ``why`` replaces the reason."""
        self._held[name] = why

    def release(self, name: str) -> None:
        """``name`` no longer stands in the way. Releasing what is not held is fine."""
        self._held.pop(name, None)

    @property
    def is_ready(self) -> bool:
        """Whether no latch is held."""
        return not self._held

    def reasons(self) -> Mapping[str, str]:
        """The latches that are held: name to why."""
        return dict(self._held)
