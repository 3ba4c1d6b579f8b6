"""The verdict: may a key go, from when on, on what basis, and why.

Removing a key is safe once no token signed with it that would still be accepted exists or can
come to exist. What callers present never proves that, since a signer that lags behind can hand
out a token that is shown for the first time in its last minute; so every yes rests on a basis
(``bases``), and without one the answer is never ``retirable``. Any basis suffices: the one that
says yes first decides, and of several that do, the strongest is named.

``judge`` answers for one replica, "as far as this replica can tell"; ``judge_fleet`` for all of
them. Called by the metrics, the keys report and the fleet room.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidecar.rotation import wording
from sidecar.rotation.assumption import Assumption
from sidecar.rotation.bases import Basis, find_grounds, standing
from sidecar.rotation.case import Case, build_case
from sidecar.rotation.evidence import Evidence, Watch
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import Fleet, Replica, combined_evidence
from sidecar.rotation.signers import Missing
from sidecar.rotation.succession import Succession

__all__ = ["Basis", "State", "Verdict", "judge", "judge_fleet"]


class State(StrEnum):
    """Where a key stands in its life."""

    CURRENT = "current"  # the newest, and in use or stated to be
    STAGED = "staged"  # the newest, not used yet
    IN_USE = "in_use"  # tokens of it are alive, or may be until a known date
    UNPROVEN = "unproven"  # no live token is known, and nothing proves that there is none
    RETIRABLE = "retirable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``retirable_at`` (unix seconds) is known exactly where ``basis`` is not ``none``.

    ``assumptions``: what a basis rests on. ``missing``: what would have to be known or done, and
    where, for a basis, or for one that asks for less trust.
    """

    state: State
    basis: Basis
    retirable_at: float | None
    why: str
    assumptions: tuple[Assumption, ...] = ()
    missing: tuple[Missing, ...] = ()


def judge(
    succession: Succession,
    evidence: Mapping[str, Evidence],
    policy: Policy,
    *,
    observing_since: float,
    now: float,
    watch: Watch | None = None,
) -> dict[str, Verdict]:
    """One replica's verdict on every key, oldest first. A key without evidence was never seen."""
    replica = Replica(
        service="",
        name="",
        ring=succession,
        policy=policy,
        observing_since=observing_since,
        scraped_at=now,
        presented=evidence,
        watch=watch,
    )
    fleet = Fleet(
        ring=succession,
        replicas=(replica,),
        now=now,
        watched_since=observing_since,
        is_alone=True,
    )
    return judge_fleet(fleet)


def judge_fleet(fleet: Fleet) -> dict[str, Verdict]:
    """A verdict on every key that anybody holds, oldest first."""
    newest = fleet.ring.newest
    if newest is None:
        return {}
    verdicts = {key_id: _on_old(build_case(fleet, key_id)) for key_id in fleet.ring.key_ids[:-1]}
    verdicts[newest] = _on_newest(fleet, newest, is_only=not verdicts)
    return verdicts


def _on_newest(fleet: Fleet, key_id: str, *, is_only: bool) -> Verdict:
    seen = combined_evidence(fleet, key_id)
    statement = fleet.ring.statement_of(key_id)
    issued = sum(r.watch.of(key_id).total for r in fleet.issuers if r.watch is not None)
    if seen.last_used_at is not None:
        why = wording.newest_in_use(seen, seen.last_used_at, fleet.is_alone)
        state = State.CURRENT
    elif issued:
        state, why = State.CURRENT, wording.newest_issued(issued)
    elif statement is not None and statement.since <= fleet.now:
        state, why = State.CURRENT, wording.newest_stated(statement)
    elif is_only:
        state, why = State.CURRENT, wording.only_key()
    elif statement is not None:
        state, why = State.STAGED, wording.newest_planned(statement)
    else:
        state, why = State.STAGED, wording.newest_held_ready()
    return Verdict(state, Basis.NONE, None, why)


def _on_old(case: Case) -> Verdict:
    """A yes of any basis is a yes; else the basis that will give it first sets the date."""
    grounds = find_grounds(case)
    if grounds:
        ready = [ground for ground in grounds if case.now >= ground.retirable_at]
        chosen = ready[0] if ready else min(grounds, key=lambda ground: ground.retirable_at)
        return Verdict(
            State.RETIRABLE if ready else State.IN_USE,
            chosen.basis,
            chosen.retirable_at,
            wording.on(case, chosen),
            chosen.assumptions,
            _missing(case),
        )
    state, why = _without_basis(case)
    return Verdict(state, Basis.NONE, None, why, (), _missing(case))


def _without_basis(case: Case) -> tuple[State, str]:
    if case.never_dies:
        return State.IN_USE, wording.never_dies(case)
    if case.ending and standing(case) is None:
        return State.IN_USE, wording.contradicted(case)
    if _has_live_tokens(case):
        return State.IN_USE, wording.alive(case)
    return State.UNPROVEN, wording.unproven(case)


def _has_live_tokens(case: Case) -> bool:
    if case.seen.live_tokens:
        return True
    expiry = case.issues.latest_expiry_at if case.issues else None
    return expiry is not None and expiry + 2 * case.policy.leeway_s > case.now


def _missing(case: Case) -> tuple[Missing, ...]:
    """Everything that stands in the way of a stronger word."""
    pending = case.issues.pending if case.issues else ()
    holds_switch = [r.policy.is_switch_enforced for r in case.holders]
    lax: tuple[Missing, ...] = ()
    if any(holds_switch) and not all(holds_switch):
        lax = tuple(
            Missing(replica.place, "does not enforce the switch")
            for replica in case.holders
            if not replica.policy.is_switch_enforced
        )
    unbounded = tuple(
        Missing(replica.place, "enforces no max_lifetime")
        for replica in case.holders
        if not replica.policy.max_lifetime_s
    )
    return case.missing + pending + lax + unbounded
