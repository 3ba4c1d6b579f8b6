"""One key before the judge: everything that a verdict may rest on, as a value. Pure."""

from dataclasses import dataclass

from sidecar.rotation.evidence import Evidence
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import (
    Fleet,
    Replica,
    combined_evidence,
    combined_policy,
    latest,
)
from sidecar.rotation.signers import Issues, Missing, examine
from sidecar.rotation.succession import Statement


@dataclass(frozen=True, slots=True)
class Case:
    """An old key's case. Times are unix seconds.

    ``policy``: what holds whichever replica a token is shown to. ``ending``: the newer keys'
    statements that end this key, earliest first. ``issues``: None = nobody watches what is handed
    out.
    """

    key_id: str
    newest: str
    seen: Evidence
    seen_of_newest: Evidence
    ending: tuple[Statement, ...]
    policy: Policy
    holders: tuple[Replica, ...]
    issues: Issues | None
    missing: tuple[Missing, ...]
    observing_since: float
    now: float
    replicas: int
    is_alone: bool

    @property
    def newest_issued_at(self) -> float | None:
        """When the key signed last, as far as any token tells: presented or handed out."""
        handed_out = self.issues.newest_issued_at if self.issues else None
        return latest((self.seen.newest_issued_at, handed_out))

    @property
    def never_dies(self) -> bool:
        """Whether a token without an expiry may be accepted for as long as the key is held."""
        return not self.policy.max_lifetime_s and (
            self.seen.has_unbounded or (self.issues is not None and self.issues.has_unbounded)
        )

    def contradicts(self, statement: Statement) -> bool:
        """Whether a token of the key was seen that, so the statement, nobody issued."""
        newest_issued_at = self.newest_issued_at
        limit = statement.since + self.policy.leeway_s
        return newest_issued_at is not None and newest_issued_at > limit


def build_case(fleet: Fleet, key_id: str) -> Case:
    """The case of an old key of the fleet."""
    newest = fleet.ring.newest
    assert newest is not None
    holders = fleet.holders(key_id)
    policy = combined_policy(holders)
    leeway_s = max((replica.policy.leeway_s for replica in fleet.replicas), default=0.0)
    seen = combined_evidence(fleet, key_id)
    issues = examine(fleet, key_id, seen, leeway_s=leeway_s, max_lifetime_s=policy.max_lifetime_s)
    silent = tuple(Missing(who.place, "has not answered yet") for who in fleet.waited_for)
    return Case(
        key_id=key_id,
        newest=newest,
        seen=seen,
        seen_of_newest=combined_evidence(fleet, newest),
        ending=fleet.ring.statements_ending(key_id),
        policy=Policy(policy.is_switch_enforced, policy.max_lifetime_s, leeway_s),
        holders=holders,
        issues=issues,
        missing=silent,
        observing_since=min((r.observing_since for r in fleet.replicas), default=fleet.now),
        now=fleet.now,
        replicas=len(fleet.present),
        is_alone=fleet.is_alone,
    )
