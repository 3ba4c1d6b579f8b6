"""What one question to a dependency found out.

A finding is a value; ``dependencies.probe`` makes it, ``dependencies.watch`` keeps the last one.
"""

from dataclasses import dataclass
from enum import StrEnum

from sidecar.versions.answer import Answer
from sidecar.versions.requirement import Requirement
from sidecar.versions.stamp import UNKNOWN, ServiceVersion


class State(StrEnum):
    """What is known of a dependency. PENDING: it was not asked yet. WAITING: it is as it is needed,
    but not ready itself. UNKNOWN: its answer cannot be judged. FAILED: there was no answer, or none
    with a version in it."""

    PENDING = "pending"
    SATISFIED = "satisfied"
    WAITING = "waiting"
    UNSATISFIED = "unsatisfied"
    UNKNOWN = "unknown"
    FAILED = "failed"


_STATE_OF = {True: State.SATISFIED, False: State.UNSATISFIED, None: State.UNKNOWN}


_NO_VERSION = ServiceVersion(UNKNOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Finding:
    """``why`` is a phrase that may follow the dependency's name; ``service`` is the name that it
    says itself, empty where it says none."""

    state: State
    why: str
    version: ServiceVersion = _NO_VERSION
    service: str = ""

    @property
    def is_satisfied(self) -> bool | None:
        """Whether the dependency is as it is needed; None where nobody can tell."""
        return {State.SATISFIED: True, State.UNSATISFIED: False}.get(self.state)

    @property
    def is_answer(self) -> bool:
        """Whether the dependency answered, with a version or with not knowing its own."""
        return self.state not in (State.PENDING, State.FAILED)

    @property
    def may_pass(self) -> bool:
        """Whether the next question may well find something else: no version was found wanting."""
        return self.state in (State.PENDING, State.FAILED, State.WAITING)


PENDING = Finding(State.PENDING, "was not asked yet")


def judge(answer: Answer, requirement: Requirement) -> Finding:
    """What a dependency's answer means for the requirement."""
    version = answer.version
    judgement = requirement.judge(version.version)
    for other in map(requirement.judge, answer.others):
        if other.holds is not judgement.holds:
            why = other.why if judgement.holds else judgement.why
            why = f"its application says another version than its image: {why}"
            return Finding(State.UNKNOWN, why, version, answer.service)
    if judgement.holds and not answer.is_ready:
        return Finding(State.WAITING, "is not ready itself", version, answer.service)
    return Finding(_STATE_OF[judgement.holds], judgement.why, version, answer.service)
