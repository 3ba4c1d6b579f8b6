"""The keys that tokens are verified with: an immutable ring, swapped whole when keys change.

It knows the order of its keys, which of them is the newest, and from when on signers are stated to
use one. It does no I/O, judges no token and never changes after it was made.

Made by ``keys.store``; read by ``verify``, by the ledger's verdicts and by the admin pages.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar

_DIGITS = re.compile("([0-9]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One public key, bound to the algorithms that tokens of it may use (RFC 8725, section 3.1).

    ``issuer``: the only ``iss`` that its tokens may have (section 3.8); ``None`` = any.
    """

    id: str
    algorithms: tuple[str, ...]
    public_key: object
    thumbprint: str  # RFC 7638, SHA-256, base64url
    source: str
    issuer: str | None = None

    @property
    def algorithm(self) -> str:
        """The one that is shown to people, for example ``RS256``."""
        return self.algorithms[0]


def natural_order(key_id: str) -> tuple[list[str | int], str]:
    """A sort key by which ``2026-9`` comes before ``2026-11``, and ``key9`` before ``key10``."""
    parts: list[str | int] = []
    for position, part in enumerate(_DIGITS.split(key_id)):
        parts.append(int(part) if position % 2 else part)
    # "01" and "1" are equal as numbers, but two ids: the text decides, the same everywhere.
    return parts, key_id


class Keyring:
    """Immutable; of two keys with one id the first is kept.

    ``by_id``: in natural order of the ids. ``newest``: the id that was asked for, where the ring
    has it, else the last in natural order. ``order``: every id, oldest first, ``newest`` last.
    ``digest``: the same on every replica with the same keys. ``signing_since``: key id to the
    moment (unix seconds) from which all signers are stated to use it; only of keys in the ring.
    ``stated_by``: where that is said.
    ``closed_since``: key id to the moment from which a newer key of the ring is stated to sign.
    ``revoked``: key ids that were taken out by name, whether there is such a key or not, with where
    that is said; none of them is in ``by_id``, nor is the same key under another id.
    ``revoked_keys``: the keys among them that are there. ``revoked_tokens``: the ``jti`` of tokens
    that were taken out one by one.
    """

    __slots__ = (
        "_newest_first",
        "by_id",
        "closed_since",
        "digest",
        "newest",
        "order",
        "revoked",
        "revoked_keys",
        "revoked_tokens",
        "signing_since",
        "stated_by",
    )

    EMPTY: ClassVar["Keyring"]

    def __init__(
        self,
        keys: Iterable[Key] = (),
        *,
        newest: str | None = None,
        signing_since: Mapping[str, float] | None = None,
        revoked: Mapping[str, str] | None = None,
        revoked_tokens: frozenset[str] = frozenset(),
        stated_by: Mapping[str, str] | None = None,
    ) -> None:
        unsorted: dict[str, Key] = {}
        for key in keys:
            unsorted.setdefault(key.id, key)
        revoked = _with_twins(unsorted, revoked or {})
        by_id = {
            key_id: unsorted[key_id]
            for key_id in sorted(unsorted, key=natural_order)
            if key_id not in revoked
        }
        if newest not in by_id:
            newest = next(reversed(by_id), None)
        order = tuple(key_id for key_id in by_id if key_id != newest)
        if newest is not None:
            order += (newest,)
        stated = {
            key_id: moment for key_id, moment in (signing_since or {}).items() if key_id in by_id
        }
        self.by_id: Mapping[str, Key] = MappingProxyType(by_id)
        self.newest = newest
        self.order = order
        self.digest = _digest(by_id.values())
        self.signing_since: Mapping[str, float] = MappingProxyType(stated)
        self.stated_by: Mapping[str, str] = MappingProxyType(
            {key_id: (stated_by or {}).get(key_id, "") for key_id in stated}
        )
        self.closed_since: Mapping[str, float] = MappingProxyType(
            _closings(order, stated, is_natural=order == tuple(by_id))
        )
        self.revoked: Mapping[str, str] = MappingProxyType(revoked)
        self.revoked_keys = tuple(unsorted[key_id] for key_id in revoked if key_id in unsorted)
        self.revoked_tokens = revoked_tokens
        self._newest_first = tuple(by_id[key_id] for key_id in reversed(order))

    def generation(self, key_id: str) -> str:
        """``new`` for the newest key, ``old`` for every other one."""
        return "new" if key_id == self.newest else "old"

    def candidates(self, claimed_kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The keys that may have signed a token that says so of itself, newest first."""
        if claimed_kid is not None:
            key = self.by_id.get(claimed_kid)
            return (key,) if key is not None and algorithm in key.algorithms else ()
        return tuple(key for key in self._newest_first if algorithm in key.algorithms)

    def revoked_candidates(self, claimed_kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The revoked keys that may have signed such a token; they only help to say why not."""
        return tuple(
            key
            for key in self.revoked_keys
            if algorithm in key.algorithms and claimed_kid in (None, key.id)
        )

    def __len__(self) -> int:
        return len(self.by_id)

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(self.order) or 'empty'} digest={self.digest}>"


def _with_twins(keys: Mapping[str, Key], revoked: Mapping[str, str]) -> dict[str, str]:
    """``revoked`` in natural order, and the ids under which a revoked key is there once more."""
    thumbprints = {key.thumbprint: key_id for key_id, key in keys.items() if key_id in revoked}
    twins = {
        key_id: f"the same key as {thumbprints[key.thumbprint]}"
        for key_id, key in keys.items()
        if key.thumbprint in thumbprints
    }
    said = {**twins, **revoked}
    return {key_id: said[key_id] for key_id in sorted(said, key=natural_order)}


def _digest(keys: Iterable[Key]) -> str:
    lines = sorted(f"{key.id}\0{key.thumbprint}\n" for key in keys)
    return sha256("".join(lines).encode("utf-8")).hexdigest()[:16]


def _closings(
    order: tuple[str, ...], stated: Mapping[str, float], *, is_natural: bool
) -> dict[str, float]:
    """For each key the earliest statement about a newer key.

    A later statement about the key itself takes that back: the signers were set back to it. Where
    ``newest`` is out of the natural order, that order does not tell ages, and only the newest
    key's own statement counts.
    """
    closed: dict[str, float] = {}
    for position, key_id in enumerate(order):
        newer = order[position + 1 :] if is_natural else order[position + 1 :][-1:]
        own = stated.get(key_id, float("-inf"))
        moments = [stated[other] for other in newer if other in stated and stated[other] > own]
        if moments:
            closed[key_id] = min(moments)
    return closed


Keyring.EMPTY = Keyring()
