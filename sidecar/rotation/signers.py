"""Who may still hand out tokens of a key, and what may have been handed out: the watching, judged.

Tokens of a key come from signers, and a watched signer's tokens are all known. This module says,
for one old key, until when a token may have been handed out unseen (``Hole``), which replicas are
not done with the key (``Missing``), and whether a token was presented that none of them handed out:
then somebody signs who is not watched, and nothing follows from the watching.

A replica is *done* with a key when its newest issue is under a newer key, and *closed* to it when
it was seen, late enough for every clock, with an enforced switch. Pure; used by ``verdict``,
``gates`` and ``steps``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.rotation.evidence import NOTHING_ISSUED, Evidence, Issued
from sidecar.rotation.moment import format_moment
from sidecar.rotation.replica import Fleet, Replica, latest
from sidecar.rotation.snapshot import RECORD_AHEAD_S

#: Who calls itself so was given no name: it may be of any service.
_UNNAMED = frozenset(("", "unknown"))

#: An ``iat`` is a whole second, so it may lie this much before the moment that it tells.
_IAT_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Hole:
    """Tokens may have been handed out unseen until ``until`` (unix seconds), for this reason."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not known or not so, and where."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Issues:
    """Everything that may have been handed out under one key.

    ``relies_on_switching_once``: a replica counts as done although nothing would hinder it from
    going back. ``stranger_at``: the ``iat`` of a presented token that no watched signer explains.
    """

    holes: tuple[Hole, ...]
    pending: tuple[Missing, ...]
    newest_issued_at: float | None
    latest_expiry_at: float | None
    has_unbounded: bool
    relies_on_switching_once: bool
    is_new_key: bool
    stranger_at: float | None


def examine(
    fleet: Fleet, key_id: str, seen: Evidence, *, leeway_s: float, max_lifetime_s: float
) -> Issues | None:
    """The issues of a key; None = no service that hands out tokens is watched.

    ``seen``: the key's presented tokens, of all replicas.
    """
    issuers = fleet.issuers
    if not issuers:
        return None
    pages = [page for replica in issuers for page in _pages(replica, key_id)]
    holes = tuple(_holes(fleet, key_id, leeway_s))
    newest = latest(page.newest_issued_at for page in pages)
    expiry = latest(page.latest_expiry_at for page in pages)
    has_unbounded = any(page.has_unbounded for page in pages)
    last_hole = latest(hole.until for hole in holes)
    explained = latest((newest, None if last_hole is None else last_hole + leeway_s))
    outlived = latest((expiry, last_hole and last_hole + leeway_s + max_lifetime_s))
    if has_unbounded or (holes and not max_lifetime_s):
        outlived = float("inf")
    pending = tuple(_pending(fleet, key_id, leeway_s))
    # While a signer may still sign, it may have done so since its last scrape: nothing is strange.
    is_complete = not pending and not fleet.waited_for
    return Issues(
        holes=holes,
        pending=pending,
        newest_issued_at=newest,
        latest_expiry_at=expiry,
        has_unbounded=has_unbounded,
        relies_on_switching_once=not all(
            replica.has_ended or is_closed(replica, key_id, leeway_s) for replica in issuers
        ),
        is_new_key=_is_new(fleet, key_id),
        stranger_at=_stranger(seen, explained, outlived) if is_complete else None,
    )


def is_done(fleet: Fleet, replica: Replica, key_id: str) -> bool:
    """Whether its newest issue is under a newer key, and none of this one came after a newer's.

    Only this run's own issues say so: under its name there may be another pod by now.
    """
    newest = _newest_issue((replica,), key_id)
    newer = latest(page.newest_issued_at for page in _newer_pages(fleet, (replica,), key_id))
    if newer is None or has_gone_back(fleet, replica, key_id):
        return False
    return newest is None or newest < newer


def has_gone_back(fleet: Fleet, replica: Replica, key_id: str) -> bool:
    """Whether it signed with the key after it had signed with a newer one.

    Such a replica has several signers in it, which reload one by one; it does not lose them when
    its sidecar loses its memory.
    """
    runs = _runs_of(fleet, replica)
    newest = _newest_issue(runs, key_id)
    firsts = (page.first_issued_at for page in _newer_pages(fleet, runs, key_id))
    return newest is not None and any(at is not None and newest > at for at in firsts)


def is_closed(replica: Replica, key_id: str, leeway_s: float) -> bool:
    """Whether an enforced switch lets no more tokens of the key out of it.

    The moment of the scrape and the clock that a token is dated by may differ by the leeway.
    """
    closing = replica.closing(key_id)
    if closing is None or not replica.policy.is_switch_enforced:
        return False
    return replica.scraped_at >= closing.since + 2 * leeway_s + _IAT_TICK_S


def unwatched(fleet: Fleet) -> tuple[Replica, ...]:
    """Replicas, present and past, that hand out tokens, as others of their service do, and that
    nobody watches: from before the watching, or set back to that."""
    services = {replica.service for replica in fleet.issuers} - _UNNAMED
    return tuple(r for r in fleet.replicas if r.watch is None and r.service in services)


def unwatched_now(fleet: Fleet) -> tuple[Missing, ...]:
    """Those that are there."""
    return tuple(
        Missing(replica.place, "is not watched as others of its service are (auth.issues)")
        for replica in unwatched(fleet)
        if replica.gone_at is None
    )


def _runs_of(fleet: Fleet, replica: Replica) -> tuple[Replica, ...]:
    """This run and the earlier ones under its name, whose end nobody saw: a sidecar that lost its
    memory in the same pod, or a pod that another one replaced."""
    if replica.has_ended:
        return (replica,)
    earlier = (
        run
        for run in fleet.issuers
        if run.place == replica.place and not run.has_ended and run is not replica
    )
    return (replica, *(run for run in earlier if run.observing_since <= replica.observing_since))


def _newest_issue(runs: tuple[Replica, ...], key_id: str) -> float | None:
    """When they last signed with the key, as far as they were watched."""
    return latest(
        page.newest_issued_at
        for run in runs
        for page in ((_issued(run, key_id),) if run.holds(key_id) else _pages(run, key_id))
    )


def _newer_pages(fleet: Fleet, runs: tuple[Replica, ...], key_id: str) -> list[Issued]:
    """What they handed out under the keys that came after this one."""
    return [_issued(run, other) for run in runs for other in fleet.newer(key_id)]


def _issued(replica: Replica, key_id: str) -> Issued:
    return NOTHING_ISSUED if replica.watch is None else replica.watch.of(key_id)


def _pages(replica: Replica, key_id: str) -> tuple[Issued, Issued]:
    """What may be tokens of the key. A token that no key verified may have been one, where the
    replica got the key later; that it is counted in always costs time, never safety."""
    unknown = NOTHING_ISSUED if replica.watch is None else replica.watch.unknown
    return _issued(replica, key_id), unknown


def _holes(fleet: Fleet, key_id: str, leeway_s: float) -> Iterator[Hole]:
    if not _is_new(fleet, key_id):
        yield Hole(fleet.watched_since, "the watching began")
    for gap in fleet.gaps:
        yield Hole(gap.end, "nothing was scraped, so a whole replica may have come and gone")
    for replica in fleet.issuers:
        assert replica.watch is not None
        if replica.watch.unwatched_until is not None:
            yield Hole(replica.watch.unwatched_until, f"{replica.place} was not watched wholly")
        if replica.gone_at is None or replica.has_ended:
            continue
        if not is_done(fleet, replica, key_id) and not is_closed(replica, key_id, leeway_s):
            yield Hole(replica.gone_at, f"{replica.place} ended without a last word")
    for replica in unwatched(fleet):
        if replica.gone_at is not None and replica.gone_at > fleet.watched_since:
            yield Hole(replica.gone_at, f"{replica.place} was not watched")
    for target in fleet.unscraped:
        if target.gone_at is not None and _may_issue(fleet, target.service):
            yield Hole(target.gone_at, f"{target.place} came and went and was never scraped")


def _is_new(fleet: Fleet, key_id: str) -> bool:
    """Whether nobody held the key when the watching began."""
    return fleet.held_since.get(key_id, float("-inf")) > fleet.watched_since


def _may_issue(fleet: Fleet, service: str) -> bool:
    """Whether replicas of the service hand out tokens; of an unknown service nobody can tell."""
    known = [replica for replica in fleet.replicas if replica.service == service]
    return not known or any(replica.watch is not None for replica in known)


def _pending(fleet: Fleet, key_id: str, leeway_s: float) -> Iterator[Missing]:
    yield from unwatched_now(fleet)
    for replica in fleet.present:
        if replica.watch is None:
            continue
        if not is_done(fleet, replica, key_id) and not is_closed(replica, key_id, leeway_s):
            yield Missing(replica.place, _why_not_done(fleet, replica, key_id))


def _why_not_done(fleet: Fleet, replica: Replica, key_id: str) -> str:
    if has_gone_back(fleet, replica, key_id):
        return f"goes back to {key_id} after a newer key: it has several signers"
    newest = _newest_issue((replica,), key_id)
    if newest is None:
        return "has handed out no token yet (one login, or an enforced switch, settles it)"
    return f"its newest token, of {format_moment(newest)}, is signed with {key_id}"


def _stranger(seen: Evidence, explained: float | None, outlived: float | None) -> float | None:
    """The newest ``iat`` of a presented token that nobody who is watched handed out.

    A signer's memory may be a little behind after a crash; its tokens' expiries never are.
    """
    issued_at, expiry = seen.newest_issued_at, seen.latest_expiry_at
    if issued_at is not None and (explained is None or issued_at > explained + RECORD_AHEAD_S):
        return issued_at
    if expiry is not None and (outlived is None or expiry > outlived):
        return issued_at if issued_at is not None else expiry
    return None
