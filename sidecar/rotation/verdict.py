"""The verdict: may a key go, from when on, on what basis, and why.

Removing a key is safe once no token signed with it that would still be accepted exists or can
come to exist. What callers present never proves that, since a signer that lags behind can hand
out a token that is shown for the first time in its last minute; so every yes rests on a basis,
and without one the answer is never ``retirable``. The bases, strongest first:

- ``enforced``: a newer key's ``signing_since`` S is held, so no token of the old key issued after
  S + leeway is accepted. Safe from S + M + 3 leeway on, whoever signs.
- ``declared``: S is only stated. Safe from the same moment on, unless a token seen contradicts it.
- ``none``: what was seen, and what would prove more.

M is the enforced bound of ``exp - iat``; without it neither basis exists. A verdict is one
replica's, "as far as this replica can tell". Called by the metrics and by the keys report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidecar.rotation import wording
from sidecar.rotation.case import Case
from sidecar.rotation.evidence import NOTHING_SEEN, Evidence
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Statement, Succession


class State(StrEnum):
    """Where a key stands in its life."""

    CURRENT = "current"  # the newest, and in use or stated to be
    STAGED = "staged"  # the newest, not used yet
    IN_USE = "in_use"  # tokens of it are alive, or may be until a known date
    UNPROVEN = "unproven"  # no live token is known, and nothing proves that there is none
    RETIRABLE = "retirable"


class Basis(StrEnum):
    """What a verdict about an old key rests on, strongest first."""

    ENFORCED = "enforced"
    OBSERVED = "observed"
    DECLARED = "declared"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``retirable_at`` (unix seconds) is known exactly where ``basis`` is not ``none``."""

    state: State
    basis: Basis
    retirable_at: float | None
    why: str


def judge(
    succession: Succession,
    evidence: Mapping[str, Evidence],
    policy: Policy,
    *,
    observing_since: float,
    now: float,
) -> dict[str, Verdict]:
    """A verdict on every key, oldest first. A key without evidence was never seen."""
    verdicts: dict[str, Verdict] = {}
    newest = succession.newest
    if newest is None:
        return verdicts
    for key_id in succession.key_ids[:-1]:
        verdicts[key_id] = _on_old(
            Case(
                seen=evidence.get(key_id, NOTHING_SEEN),
                seen_of_newest=evidence.get(newest, NOTHING_SEEN),
                newest=newest,
                ending=succession.statements_ending(key_id),
                policy=policy,
                observing_since=observing_since,
                now=now,
            )
        )
    verdicts[newest] = _on_newest(
        evidence.get(newest, NOTHING_SEEN),
        succession.statement_of(newest),
        is_only=not verdicts,
        now=now,
    )
    return verdicts


def _on_newest(
    seen: Evidence, statement: Statement | None, *, is_only: bool, now: float
) -> Verdict:
    if seen.last_used_at is not None:
        state, why = State.CURRENT, wording.newest_in_use(seen, seen.last_used_at)
    elif statement is not None and statement.since <= now:
        state, why = State.CURRENT, wording.newest_stated(statement)
    elif is_only:
        state, why = State.CURRENT, wording.only_key()
    elif statement is not None:
        state, why = State.STAGED, wording.newest_planned(statement)
    else:
        state, why = State.STAGED, wording.newest_held_ready()
    return Verdict(state, Basis.NONE, None, why)


def _on_old(case: Case) -> Verdict:
    """The strongest basis that holds decides; a token that never dies outweighs them all."""
    return _unbounded(case) or _enforced(case) or _declared(case) or _without_basis(case)


def _unbounded(case: Case) -> Verdict | None:
    if not case.seen.has_unbounded:
        return None
    return Verdict(State.IN_USE, Basis.NONE, None, wording.never_dies())


def _enforced(case: Case) -> Verdict | None:
    policy = case.policy
    if not (policy.is_switch_enforced and policy.max_lifetime_s and case.ending):
        return None
    statement = case.ending[0]
    retirable_at = policy.last_death_after(statement.since)
    why = wording.enforced(case, statement, retirable_at)
    return Verdict(_state_until(retirable_at, case.now), Basis.ENFORCED, retirable_at, why)


def _declared(case: Case) -> Verdict | None:
    if not case.ending:
        return None
    standing = [statement for statement in case.ending if not case.contradicts(statement)]
    if not standing:
        return _contradicted(case, case.ending[-1])
    if case.seen.refused_after_switch:
        return _contradicted(case, case.ending[0])
    if not case.policy.max_lifetime_s:
        return None
    retirable_at = case.policy.last_death_after(standing[0].since)
    why = wording.declared(case, standing[0], retirable_at)
    return Verdict(_state_until(retirable_at, case.now), Basis.DECLARED, retirable_at, why)


def _contradicted(case: Case, statement: Statement) -> Verdict:
    return Verdict(State.IN_USE, Basis.NONE, None, wording.contradicted(case, statement))


def _without_basis(case: Case) -> Verdict:
    if case.seen.live_tokens:
        return Verdict(State.IN_USE, Basis.NONE, None, wording.alive(case))
    return Verdict(State.UNPROVEN, Basis.NONE, None, wording.unproven(case))


def _state_until(retirable_at: float, now: float) -> State:
    return State.RETIRABLE if now >= retirable_at else State.IN_USE
