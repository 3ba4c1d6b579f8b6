"""Which key follows which, and which statements therefore end a key's time as a signer. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """``signing_since``: from ``since`` (unix seconds) on, every signer signs with ``key_id``."""

    key_id: str
    since: float


class Succession:
    """The keys of a keyring from oldest to newest, and what was stated about them."""

    def __init__(
        self, key_ids: Iterable[str], newest: str | None, signing_since: Mapping[str, float]
    ) -> None:
        """``key_ids`` in natural order; ``newest`` one of them, or None for an empty keyring."""
        ids = tuple(key_ids)
        #: Whether the natural order tells ages; a ``newest`` out of order says that it does not.
        self._is_natural = not ids or ids[-1] == newest
        self.key_ids = tuple(key_id for key_id in ids if key_id != newest)
        if newest is not None:
            self.key_ids += (newest,)
        self.newest = newest
        self._since = {key_id: signing_since[key_id] for key_id in ids if key_id in signing_since}

    def statement_of(self, key_id: str) -> Statement | None:
        """What was stated about the key itself."""
        since = self._since.get(key_id)
        return None if since is None else Statement(key_id, since)

    def statements_ending(self, key_id: str) -> tuple[Statement, ...]:
        """The statements by which no signer signs with ``key_id`` any more, earliest first.

        Only a newer key's statement can end a key, and none that a later statement about the key
        itself took back. Where the natural order does not tell which key is newer, only the
        newest key's statement counts.
        """
        own = self._since.get(key_id, float("-inf"))
        newer = self.key_ids[self.key_ids.index(key_id) + 1 :]
        if not self._is_natural:
            newer = newer[-1:]
        statements = [
            Statement(other, self._since[other])
            for other in newer
            if other in self._since and self._since[other] > own
        ]
        return tuple(sorted(statements, key=lambda statement: statement.since))
