"""Many sources to one keyring, and everything that does not fit together.

Of two keys with one id the first source's wins; a statement in the configuration wins over one
beside the keys; a statement about a key that no source has is as good as absent; what one source
takes out is out, whoever else has it. Pure.

Called by ``store``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.keys.source import SourceReading, Trouble
from sidecar.tokens.keyring import Key, Keyring


@dataclass(frozen=True, slots=True)
class Order:
    """What the configuration says about keys: their order (``newest`` and ``signing_since``), and
    which are taken out (``revoked``: id to where that is said)."""

    newest: str | None
    signing_since: Mapping[str, float]
    revoked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """The keyring, and what is wrong with its making; see :class:`SourceReading` for the words."""

    keyring: Keyring
    problems: tuple[Trouble, ...]
    notices: tuple[Trouble, ...]


def merge(readings: Iterable[SourceReading], order: Order) -> Merged:
    """``readings`` in the order of the sources."""
    keys: dict[str, Key] = {}
    statements: dict[str, float] = {}
    stated_by: dict[str, str] = {}
    revoked = dict(order.revoked)
    revoked_tokens: set[str] = set()
    problems: list[Trouble] = []
    notices: list[Trouble] = []
    for reading in readings:
        problems += reading.problems
        notices += reading.notices
        problems += _clashes(keys, reading.keys)
        for key in reading.keys:
            keys.setdefault(key.id, key)
        for key_id, moment in reading.statements.items():
            if key_id not in statements:
                statements[key_id] = moment
                stated_by[key_id] = reading.stated_by.get(key_id, f"{key_id}.since")
        for key_id, where in reading.revoked.items():
            revoked.setdefault(key_id, where)
        revoked_tokens |= reading.revoked_tokens
    notices += _strangers(keys, statements, order, revoked)
    notices += _twins(keys.values())
    keyring = Keyring(
        keys.values(),
        newest=order.newest,
        signing_since={**statements, **order.signing_since},
        stated_by={**stated_by, **dict.fromkeys(order.signing_since, "auth.signing_since")},
        revoked=revoked,
        revoked_tokens=frozenset(revoked_tokens),
    )
    return Merged(keyring, tuple(problems), tuple(notices))


def _clashes(held: Mapping[str, Key], keys: Iterable[Key]) -> list[Trouble]:
    clashes: list[Trouble] = []
    seen = dict(held)
    for key in keys:
        first = seen.setdefault(key.id, key)
        if first is not key:
            text = f"holds a key with the id {key.id}, as {first.source} does, which is used"
            clashes.append(Trouble(key.source, text))
    return clashes


def _strangers(
    keys: Mapping[str, Key],
    statements: Mapping[str, float],
    order: Order,
    revoked: Mapping[str, str],
) -> list[Trouble]:
    unknown = "names the key {}, which the keyring does not have"
    strangers = [
        Trouble(f"{key_id}.since", unknown.format(key_id))
        for key_id in statements
        if key_id not in keys
    ]
    strangers += [
        Trouble("auth.signing_since", unknown.format(key_id))
        for key_id in order.signing_since
        if key_id not in keys
    ]
    strangers += [
        Trouble(where, f"revokes the key {key_id}, which no source has")
        for key_id, where in revoked.items()
        if key_id not in keys
    ]
    if order.newest is not None and order.newest not in keys:
        strangers.append(Trouble("auth.newest", unknown.format(order.newest)))
    return strangers


def _twins(keys: Iterable[Key]) -> list[Trouble]:
    """One key under two ids: its tokens without a key id count for the newer one."""
    first_by_thumbprint: dict[str, Key] = {}
    twins: list[Trouble] = []
    for key in keys:
        first = first_by_thumbprint.setdefault(key.thumbprint, key)
        if first is not key:
            text = f"holds the same key as {first.source}, under the other id {key.id}"
            twins.append(Trouble(key.source, text))
    return twins
