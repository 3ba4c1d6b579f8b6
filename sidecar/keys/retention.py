"""Which keys of a remote source are in use: those of its newest set, and those that have just left.

Times are seconds of a clock that never jumps. An id belongs to one key: where the set has a new key
under an old id, the old key is gone at once. Pure.

Called by ``remote``.
"""

from collections.abc import Iterable
from typing import Final

from sidecar.tokens.keyring import Key

_NEVER: Final = float("-inf")
_FOREVER: Final = float("inf")


class Retention:
    """``keep_removed_s``: how long a key is kept after it was last seen in the set.

    It may be read in another thread than it is changed in: what is held is swapped whole.
    """

    def __init__(self, keep_removed_s: float) -> None:
        self._keep_removed_s = keep_removed_s
        self._last_seen_at = _NEVER
        self._held: tuple[tuple[Key, float], ...] = ()  # with the moment from which it is gone

    def take(self, keys: Iterable[Key], now: float) -> None:
        """The set was seen, and holds these keys. A key that it still holds stays the same
        object."""
        before = {key.id: key for key, _ in self._held}
        current = tuple(_same_or_new(before.get(key.id), key) for key in keys)
        ids = {key.id for key in current}
        removed_at = self._last_seen_at + self._keep_removed_s
        removed = [
            (key, min(gone_at, removed_at)) for key, gone_at in self._held if key.id not in ids
        ]
        self._last_seen_at = now
        self._held = (
            *((key, _FOREVER) for key in current),
            *((key, gone_at) for key, gone_at in removed if now < gone_at),
        )

    def confirm(self, now: float) -> None:
        """The set was seen, and is the one that it was."""
        self._last_seen_at = now

    def keys(self, now: float) -> tuple[Key, ...]:
        """The keys in use, those of the set first."""
        return tuple(key for key, gone_at in self._held if now < gone_at)


def _same_or_new(before: Key | None, key: Key) -> Key:
    if before is None:
        return key
    is_same = (before.thumbprint, before.algorithms) == (key.thumbprint, key.algorithms)
    return before if is_same else key
