"""The form in which a ledger outlives its process: plain JSON values, read with suspicion. Pure.

A record holds no token, no digest of one and no subject. ``latest_expiry_at`` and
``unwatched_until`` stand in it *ahead*, rounded up, so that it stays true for a while without being
written again; ``snapshot`` says for how long. A document that is damaged, of another program or of
another version is refused whole, never half believed. Used by ``snapshot``.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sidecar.errors import MemoryUnusable
from sidecar.rotation.evidence import Issued
from sidecar.rotation.moment import LAST_MOMENT

FORMAT = "sidecar-ledger"
VERSION = 1

_MAX_TEXT_LENGTH = 4_096
_MAX_COUNT = 2**63
_MAX_ENTRIES = 10_000

_Check = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class PresentedRecord:
    """What is remembered of one key's presented tokens. Times are unix seconds."""

    accepted_total: int
    last_used_at: float | None
    newest_issued_at: float | None
    latest_expiry_at: float | None
    longest_lifetime_s: float | None
    has_unbounded: bool
    refused_totals: Mapping[str, int]
    last_refused_at: float | None


@dataclass(frozen=True, slots=True)
class IssuingRecord:
    """What is remembered of the tokens that were handed out."""

    scope: str
    unwatched_until: float | None
    unreadable: Mapping[str, int]
    unknown: Issued
    keys: Mapping[str, Issued]


@dataclass(frozen=True, slots=True)
class Rejections:
    """How many tokens were refused of one kind."""

    reason: str
    generation: str
    enforced: bool
    count: int


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is remembered."""

    written_at: float
    observing_since: float
    presented: Mapping[str, PresentedRecord]
    rejections: tuple[Rejections, ...]
    issuing: IssuingRecord | None

    def document(self) -> dict[str, Any]:
        """As values that JSON can hold."""
        return {"format": FORMAT, "version": VERSION} | asdict(self)


def parse_record(document: object) -> Record:
    """The record that a document holds; raises :class:`MemoryUnusable` with what is wrong."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MemoryUnusable("It is not a ledger of a sidecar.")
    if document.get("version") != VERSION or type(document["version"]) is not int:
        raise MemoryUnusable("It is a ledger of another version of the sidecar.")
    body = {name: value for name, value in document.items() if name not in ("format", "version")}
    values = _members(body, Record, "the ledger")
    issuing = values["issuing"]
    return Record(
        written_at=_checked(values["written_at"], _is_moment, "written_at"),
        observing_since=_checked(values["observing_since"], _is_moment, "observing_since"),
        presented={
            key_id: PresentedRecord(**_checked_members(page, PresentedRecord, "a key's page"))
            for key_id, page in _mapping(values["presented"], "presented").items()
        },
        rejections=tuple(
            Rejections(**_checked_members(entry, Rejections, "rejections"))
            for entry in _checked(values["rejections"], _is_list, "rejections")
        ),
        issuing=None if issuing is None else _issuing(issuing),
    )


def _issuing(value: object) -> IssuingRecord:
    values = _members(value, IssuingRecord, "issuing")
    until = values["unwatched_until"]
    return IssuingRecord(
        scope=_checked(values["scope"], _is_text, "scope"),
        unwatched_until=_checked(until, _is_moment_or_none, "unwatched_until"),
        unreadable=_checked(values["unreadable"], _is_counts, "unreadable"),
        unknown=_issued(values["unknown"]),
        keys={key: _issued(page) for key, page in _mapping(values["keys"], "keys").items()},
    )


def _issued(value: object) -> Issued:
    issued = Issued(**_checked_members(value, Issued, "an issued key's page"))
    first, newest = issued.first_issued_at, issued.newest_issued_at
    if (first is None) != (newest is None) or (first or 0) > (newest or 0):
        raise MemoryUnusable("A key's first issue lies after its newest.")
    if bool(issued.total) != (first is not None):
        raise MemoryUnusable("A key's number of issues contradicts their times.")
    return issued


# --- checks ----------------------------------------------------------------------------------


def _checked(value: Any, holds: _Check, name: str) -> Any:
    if not holds(value):
        raise MemoryUnusable(f"Its member {name} is not what it should be.")
    return value


def _mapping(value: object, name: str) -> dict[str, Any]:
    checked: dict[str, Any] = _checked(value, _is_mapping, name)
    return checked


def _members(value: object, form: type, name: str) -> dict[str, Any]:
    """The members of an object that must be exactly the fields of ``form``."""
    expected = {field.name for field in fields(form)}
    if not isinstance(value, dict) or set(value) != expected:
        raise MemoryUnusable(f"The members of {name} are not those that it should have.")
    return value


def _checked_members(value: object, form: type, name: str) -> dict[str, Any]:
    members = _members(value, form, name)
    for member, content in members.items():
        _checked(content, _CHECKS[member], member)
    return members


def _is_moment(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= LAST_MOMENT  # type: ignore[operator]


def _is_moment_or_none(value: object) -> bool:
    return value is None or _is_moment(value)


def _is_span_or_none(value: object) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= LAST_MOMENT)  # type: ignore[arg-type]


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= _MAX_TEXT_LENGTH


def _is_bool(value: object) -> bool:
    return type(value) is bool


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= _MAX_ENTRIES


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict) and len(value) <= _MAX_ENTRIES and all(map(_is_text, value))


def _is_counts(value: object) -> bool:
    return _is_mapping(value) and all(map(_is_count, value.values()))  # type: ignore[attr-defined]


#: How each member of the flat records is checked.
_CHECKS: Mapping[str, _Check] = {
    "accepted_total": _is_count,
    "count": _is_count,
    "enforced": _is_bool,
    "first_issued_at": _is_moment_or_none,
    "generation": _is_text,
    "has_unbounded": _is_bool,
    "last_refused_at": _is_moment_or_none,
    "last_used_at": _is_moment_or_none,
    "latest_expiry_at": _is_moment_or_none,
    "longest_lifetime_s": _is_span_or_none,
    "newest_issued_at": _is_moment_or_none,
    "reason": _is_text,
    "refused_total": _is_count,
    "refused_totals": _is_counts,
    "total": _is_count,
}
