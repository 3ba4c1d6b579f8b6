"""A ledger's memory: when it must be written, what is written, and what is believed later.

What a verdict may rest on must never be forgotten, even by a crash: a token that was handed out. So
before a token leaves, the record on disk must cover it (``must_be_recorded``), and a record covers
more than it has seen: expiries stand in it ``RECORD_AHEAD_S`` ahead. Everything else (counts, who
presented what) may be up to as old as the last write.

What an earlier run may have forgotten then errs to the safe side only: a restored latest expiry is
never too early, an issue that would make a key be in use again is never lost, and the newest
``iat`` of a key is at most ``RECORD_AHEAD_S`` too old. Called by the room that keeps ``state_dir``,
which does the reading and writing; pure.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from sidecar.rotation.evidence import Issued, Watch
from sidecar.rotation.issuing import IssuedPage, Issuing
from sidecar.rotation.ledger import KeyUsage, Ledger
from sidecar.rotation.live import LiveTokens
from sidecar.rotation.moment import LAST_MOMENT
from sidecar.rotation.record import IssuingRecord, PresentedRecord, Record, Rejections
from sidecar.rotation.subjects import Subjects

#: How far ahead of what was seen a record stands, and how old a dirty one may become.
RECORD_AHEAD_S = 10.0


def take_record(ledger: Ledger, now: float, *, is_final: bool = False) -> Record:
    """What is to be written now. ``is_final``: nothing can happen any more, so nothing is ahead."""
    ahead_s = 0.0 if is_final else RECORD_AHEAD_S
    pages = ((key_id, ledger.usage(key_id)) for key_id in ledger.key_ids)
    return Record(
        written_at=now,
        observing_since=ledger.observing_since,
        presented={key_id: _presented(page) for key_id, page in pages},
        rejections=tuple(
            Rejections(reason, generation, enforced, count)
            for (reason, generation, enforced), count in ledger.rejections.items()
        ),
        issuing=None if ledger.issuing is None else _issuing(ledger.issuing, ahead_s),
    )


def must_be_recorded(recorded: Record | None, issuing: Issuing) -> bool:
    """Whether the last written record does not cover what is in the ledger.

    Asked after a token was entered and before it is handed out, and after an unreadable answer
    before that is passed on: where true, a new record must be on disk first.
    """
    covered = None if recorded is None else recorded.issuing
    if covered is None or covered.scope != issuing.scope:
        return True
    if (issuing.unwatched_until or 0) > (covered.unwatched_until or 0):
        return True
    if _outgrows(issuing.unknown, covered.unknown, ()):
        return True
    firsts = {key_id: page.first_issued_at for key_id, page in issuing.pages.items()}
    for key_id, page in issuing.pages.items():
        seen = covered.keys.get(key_id)
        if seen is None:
            if page.total:
                return True
            continue
        others = tuple(at for other, at in firsts.items() if at is not None and other != key_id)
        if _outgrows(page, seen, others):
            return True
    return False


def restore_ledger(
    record: Record,
    *,
    leeway_s: float,
    scope: str | None,
    unwatched_until: float | None,
    subjects: Subjects | None = None,
) -> Ledger:
    """The ledger of an earlier run, to go on with.

    ``scope``: what is watched now, None = nothing. Where the record knows another scope or none,
    the watching begins now, and ``unwatched_until`` says until when it was not whole.
    """
    ledger = Ledger(
        observing_since=record.observing_since,
        leeway_s=leeway_s,
        issuing=None if scope is None else _restored(record.issuing, scope, unwatched_until),
        subjects=subjects,
    )
    pages: dict[str, KeyUsage] = {}
    for key_id, seen in record.presented.items():
        page = pages[key_id] = KeyUsage(key_id, LiveTokens(leeway_s=leeway_s))
        page.accepted_total = seen.accepted_total
        page.last_used_at = seen.last_used_at
        page.newest_issued_at = seen.newest_issued_at
        page.latest_expiry_at = seen.latest_expiry_at
        page.longest_lifetime_s = seen.longest_lifetime_s
        page.has_unbounded = seen.has_unbounded
        page.refused_totals = dict(seen.refused_totals)
        page.last_refused_at = seen.last_refused_at
    rejections: Mapping[tuple[str, str, bool], int] = {
        (entry.reason, entry.generation, entry.enforced): entry.count for entry in record.rejections
    }
    ledger.remember(pages, rejections)
    return ledger


def _restored(seen: IssuingRecord | None, scope: str, unwatched_until: float | None) -> Issuing:
    if seen is None or seen.scope != scope:
        return Issuing(scope=scope, unwatched_until=unwatched_until)
    issuing = Issuing(
        scope=scope,
        unwatched_until=seen.unwatched_until,
        seen=Watch(issued=seen.keys, unknown=seen.unknown),
    )
    issuing.unreadable.update(seen.unreadable)
    return issuing


def _outgrows(page: IssuedPage, seen: Issued, others_first: tuple[float, ...]) -> bool:
    """Whether a page says something that matters and that its record does not say.

    ``others_first``: when each other key was first used. A key's newest issue matters most where it
    reaches or passes one of them: the key is in use again after another one.
    """
    if (page.latest_expiry_at or 0) > (seen.latest_expiry_at or 0):
        return True
    if page.has_unbounded and not seen.has_unbounded:
        return True
    first, newest = page.first_issued_at, page.newest_issued_at
    if first is None or newest is None:
        return False
    recorded_newest = seen.newest_issued_at
    if recorded_newest is None or seen.first_issued_at is None or first < seen.first_issued_at:
        return True
    if newest > recorded_newest + RECORD_AHEAD_S:
        return True
    has_grown = newest > recorded_newest
    return has_grown and any(recorded_newest <= other <= newest for other in others_first)


def _presented(page: KeyUsage) -> PresentedRecord:
    return PresentedRecord(
        accepted_total=page.accepted_total,
        last_used_at=page.last_used_at,
        newest_issued_at=page.newest_issued_at,
        latest_expiry_at=page.latest_expiry_at,
        longest_lifetime_s=page.longest_lifetime_s,
        has_unbounded=page.has_unbounded,
        refused_totals=dict(page.refused_totals),
        last_refused_at=page.last_refused_at,
    )


def _issuing(issuing: Issuing, ahead_s: float) -> IssuingRecord:
    return IssuingRecord(
        scope=issuing.scope,
        unwatched_until=_ahead(issuing.unwatched_until, ahead_s),
        unreadable=dict(issuing.unreadable),
        unknown=_issued(issuing.unknown, ahead_s),
        keys={key_id: _issued(page, ahead_s) for key_id, page in issuing.pages.items()},
    )


def _issued(page: IssuedPage, ahead_s: float) -> Issued:
    value = page.value()
    return replace(value, latest_expiry_at=_ahead(value.latest_expiry_at, ahead_s))


def _ahead(at: float | None, ahead_s: float) -> float | None:
    """The moment, rounded up to a multiple of ``ahead_s``, so that rounding again adds nothing."""
    if at is None or not ahead_s:
        return at
    return min(math.ceil(at / ahead_s) * ahead_s, LAST_MOMENT)
