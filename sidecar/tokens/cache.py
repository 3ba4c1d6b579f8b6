"""Remembers tokens that were verified, by digest; the token itself is never stored.

Bounded by entries and by the bytes that the tokens had, whichever is reached first; the entry that
was unused for the longest time goes. Only tokens whose signature held come in, so that forged ones
cannot push others out. It decides nothing: ``verify``, its only user, checks each entry anew
against the keyring and the time.
"""

from collections import OrderedDict
from typing import Any

#: The room that the average token is given; few are longer.
BYTES_PER_ENTRY = 1024


class Entry:
    """A verified token, and the bounds of the time in which it may be taken from here."""

    __slots__ = ("size_bytes", "token", "valid_from", "valid_until")

    def __init__(self, token: Any, valid_from: float, valid_until: float, size_bytes: int) -> None:
        self.token = token
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.size_bytes = size_bytes


class VerifiedTokens:
    """The bounded memory; every operation takes the same time however full it is."""

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "total_bytes")

    def __init__(self, max_entries: int) -> None:
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._max_entries = max_entries
        self._max_bytes = max_entries * BYTES_PER_ENTRY
        self.total_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes) -> Entry | None:
        """The entry, which now counts as used."""
        entry = self._entries.get(digest)
        if entry is not None:
            self._entries.move_to_end(digest)
        return entry

    def put(self, digest: bytes, entry: Entry) -> None:
        """Remember; the least recently used entries make room."""
        self.drop(digest)
        self._entries[digest] = entry
        self.total_bytes += entry.size_bytes
        while self._entries and (
            len(self._entries) > self._max_entries or self.total_bytes > self._max_bytes
        ):
            _, oldest = self._entries.popitem(last=False)
            self.total_bytes -= oldest.size_bytes

    def drop(self, digest: bytes) -> None:
        """Forget, if it is known."""
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self.total_bytes -= entry.size_bytes
