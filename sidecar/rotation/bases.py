"""The grounds on which an old key may go: each basis, from when on, on what assumptions. Pure.

- ``enforced``: every replica that accepts the key's tokens refuses those issued after a newer key's
  ``signing_since`` S. Safe from S + M + 3 leeway on, whoever signs.
- ``observed``: everything that was handed out under the key was seen, and nobody who hands out
  tokens will sign with it again. Safe from the latest expiry + 2 leeway on; what may have been
  handed out unseen until u is dead at u + M + 3 leeway.
- ``declared``: S is only stated. Safe from S + M + 3 leeway on, unless a token contradicts it.

M is the largest bound of ``exp - iat`` that any of the replicas enforces; where one enforces none,
bounds that need M do not exist. Called by ``verdict``.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from sidecar.rotation.assumption import Assumption
from sidecar.rotation.case import Case
from sidecar.rotation.signers import Hole, Issues
from sidecar.rotation.succession import Statement


class Basis(StrEnum):
    """What a verdict about an old key rests on, strongest first."""

    ENFORCED = "enforced"
    OBSERVED = "observed"
    DECLARED = "declared"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Ground:
    """A basis that holds; the key may go from ``retirable_at`` (unix seconds) on.

    ``sets_date``: the statement, or the hole in the watching, that the date follows from; None =
    what was seen handed out does.
    """

    basis: Basis
    retirable_at: float
    sets_date: Statement | Hole | None
    assumptions: tuple[Assumption, ...]


def find_grounds(case: Case) -> tuple[Ground, ...]:
    """Every basis that holds, strongest first. None does while somebody's word is missing."""
    if case.missing or case.never_dies:
        return ()
    found = (_enforced(case), _observed(case), _declared(case))
    return tuple(ground for ground in found if ground is not None)


def standing(case: Case) -> Statement | None:
    """The earliest statement ending the key that nothing contradicts.

    A token that was refused after the switch contradicts the earliest moment that is stated.
    """
    said = case.ending
    if case.seen.refused_after_switch:
        said = tuple(statement for statement in said if statement.since > said[0].since)
    return next((statement for statement in said if not case.contradicts(statement)), None)


def _enforced(case: Case) -> Ground | None:
    policy = case.policy
    closings = [replica.closing(case.key_id) for replica in case.holders]
    statements = [closing for closing in closings if closing is not None]
    if not (policy.is_switch_enforced and policy.max_lifetime_s and statements):
        return None
    if len(statements) < len(closings):
        return None
    statement = max(statements, key=lambda closing: closing.since)
    retirable_at = policy.last_death_after(statement.since)
    return Ground(
        Basis.ENFORCED,
        retirable_at,
        statement,
        (Assumption.CLOCKS, Assumption.ENFORCEMENT_STAYS, Assumption.LIFETIME_STAYS),
    )


def _observed(case: Case) -> Ground | None:
    issues = case.issues
    if issues is None or issues.pending or issues.stranger_at is not None:
        return None
    policy = case.policy
    if issues.holes and not policy.max_lifetime_s:
        return None
    if issues.latest_expiry_at is None:
        retirable_at = case.observing_since
    else:
        retirable_at = float(math.ceil(issues.latest_expiry_at + 2 * policy.leeway_s))
    limit = max(issues.holes, key=lambda hole: hole.until, default=None)
    if limit is not None and policy.last_death_after(limit.until) > retirable_at:
        retirable_at = policy.last_death_after(limit.until)
    else:
        limit = None
    return Ground(Basis.OBSERVED, retirable_at, limit, _assumptions_of_observing(case, issues))


def _assumptions_of_observing(case: Case, issues: Issues) -> tuple[Assumption, ...]:
    assumptions = [Assumption.CLOCKS]
    assumptions.append(Assumption.ONLY_ISSUER if case.is_alone else Assumption.ALL_WATCHED)
    if issues.is_new_key:
        assumptions.append(Assumption.KEY_WAS_NEW)
    if issues.holes:
        assumptions.append(Assumption.LIFETIME_STAYS)
    if issues.relies_on_switching_once:
        assumptions += [Assumption.SWITCHES_ONCE, Assumption.NOT_SET_BACK]
    else:
        assumptions.append(Assumption.ENFORCEMENT_STAYS)
    return tuple(assumptions)


def _declared(case: Case) -> Ground | None:
    statement = standing(case)
    if statement is None or not case.policy.max_lifetime_s:
        return None
    retirable_at = case.policy.last_death_after(statement.since)
    return Ground(
        Basis.DECLARED,
        retirable_at,
        statement,
        (Assumption.CLOCKS, Assumption.STATEMENT_IS_TRUE, Assumption.LIFETIME_STAYS),
    )
