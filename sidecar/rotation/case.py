"""One key before the judge: everything that a verdict may rest on, as a value. Pure."""

from dataclasses import dataclass

from sidecar.rotation.evidence import Evidence
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Statement


@dataclass(frozen=True, slots=True)
class Case:
    """An old key's case. Times are unix seconds."""

    seen: Evidence
    seen_of_newest: Evidence
    newest: str
    ending: tuple[Statement, ...]  # the newer keys' statements that end this key, earliest first
    policy: Policy
    observing_since: float
    now: float

    def contradicts(self, statement: Statement) -> bool:
        """Whether a token of the key was accepted that, so the statement, nobody issued."""
        newest_issued_at = self.seen.newest_issued_at
        limit = statement.since + self.policy.leeway_s
        return newest_issued_at is not None and newest_issued_at > limit
