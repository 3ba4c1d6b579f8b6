"""Watches one dependency for as long as the sidecar runs, and holds readiness where its gate says.

``gate: startup`` opens once and for good. To close it whenever a dependency fails would take every
service down that stands behind it, one after another, and be worse than the fault. Started by
``app`` in its task group, one task for each dependency, so that none waits for another.
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from sidecar.dependencies.finding import PENDING, Finding, State
from sidecar.dependencies.probe import Probe
from sidecar.versions.stamp import ServiceVersion

log = logging.getLogger("sidecar.dependencies")

#: With ``gate: always``, so many questions in a row that fail make the service unready: a single
#: lost packet, or one replica that shuts down, says nothing about a version.
FAILURES_THAT_COUNT: Final = 3
_FIRST_RETRY_S: Final = 1.0
#: No two replicas ask in step for long.
_JITTER: Final = (0.9, 1.1)

# Many dependencies are asked in bursts: to wake up for each alone costs more than to ask it.
_TICK_S: Final = 0.5

_WORDS: Final = {
    State.SATISFIED: "is as it is needed",
    State.WAITING: "is as it is needed, and not ready",
    State.UNSATISFIED: "is not as it is needed",
    State.UNKNOWN: "has a version that cannot be judged",
    State.FAILED: "does not say its version",
}


class Latches(Protocol):
    """What holds the service back: ``admin.readiness``, as seen from here."""

    def hold(self, name: str, why: str) -> None: ...
    def release(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of one dependency; times are in unix seconds, None where never.

    ``version`` and ``service`` (its own name for itself) are what the last answer said, also after
    questions that failed; ``counts`` are the questions by what they found.
    """

    finding: Finding = PENDING
    version: ServiceVersion = PENDING.version
    service: str = ""
    asked_at: float | None = None
    answered_at: float | None = None
    changed_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    failures: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether the last question was answered with a version."""
        return self.finding.is_answer

    @property
    def is_satisfied(self) -> bool | None:
        """Whether the dependency will do; None where nobody can tell."""
        return self.finding.is_satisfied


class Watch:
    """One dependency. ``clock`` tells the time in unix seconds."""

    def __init__(self, probe: Probe, latches: Latches, clock: Callable[[], float]) -> None:
        self.probe = probe
        self.status = Status(counts={str(state): 0 for state in State if state != State.PENDING})
        self._latches = latches
        self._clock = clock
        self._latch = f"dependencies.{probe.name}"
        self._retry_s = _FIRST_RETRY_S
        self._is_open = probe.settings.gate == "never"
        if not self._is_open:
            latches.hold(self._latch, self._explain(PENDING))

    def __repr__(self) -> str:
        return f"<Watch {self.probe.name} {self.status.finding.state}>"

    @property
    def name(self) -> str:
        """The dependency's name."""
        return self.probe.name

    @property
    def requires(self) -> str:
        """What is needed of it, in short."""
        return str(self.probe.requirement)

    async def run(self) -> None:
        """Ask over and over, until cancelled."""
        while True:
            self.take(await self.probe.ask())
            await asyncio.sleep(until_tick(asyncio.get_running_loop().time(), self._pause_s()))

    def take(self, finding: Finding) -> None:
        """Note what a question found out: once in the log where it is new, and on the gate."""
        before, now = self.status, self._clock()
        has_failed = finding.state is State.FAILED
        is_new = finding != before.finding
        self.status = replace(
            before,
            finding=finding,
            version=finding.version if finding.is_answer else before.version,
            service=finding.service if finding.is_answer else before.service,
            asked_at=now,
            answered_at=now if finding.is_answer else before.answered_at,
            changed_at=now if is_new else before.changed_at,
            last_error=finding.why if has_failed else before.last_error,
            last_error_at=now if has_failed else before.last_error_at,
            failures=before.failures + 1 if finding.may_pass else 0,
            counts={**before.counts, str(finding.state): before.counts[finding.state] + 1},
        )
        if is_new:
            self._announce(before.finding)
        self._move_gate()

    def _move_gate(self) -> None:
        finding, gate = self.status.finding, self.probe.settings.gate
        if gate == "never" or (gate == "startup" and self._is_open):
            return
        if finding.is_satisfied:
            self._is_open = True
            self._latches.release(self._latch)
        elif not self._is_open or self._is_certain:
            self._is_open = False
            self._latches.hold(self._latch, self._explain(finding))

    @property
    def _is_certain(self) -> bool:
        """Whether what was found last is no passing fault of the way there."""
        return not self.status.finding.may_pass or self.status.failures >= FAILURES_THAT_COUNT

    def _pause_s(self) -> float:
        """Until the next question: the interval, but soon and then less often while the dependency
        is not as it is needed, so that nobody waits for long once it is."""
        interval_s = self.probe.settings.interval_s
        if self.status.finding.is_satisfied:
            self._retry_s = _FIRST_RETRY_S
            pause_s = interval_s
        else:
            pause_s = min(self._retry_s, interval_s)
            self._retry_s = min(self._retry_s * 2, interval_s)
        return pause_s * random.uniform(*_JITTER)  # noqa: S311 - no secret hangs on it

    def _explain(self, finding: Finding) -> str:
        needs = self.probe.requirement
        need = "" if needs.is_any else f" ({needs} is needed)"
        return f"{self.probe.name} {_join(finding)}{need}."

    def _announce(self, before: Finding) -> None:
        finding = self.status.finding
        log.log(
            logging.INFO if finding.is_satisfied else logging.WARNING,
            "The dependency %s %s: %s.",
            self.probe.name,
            _WORDS[finding.state],
            finding.why,
            extra={
                "data": {
                    "dependency": self.probe.name,
                    "state": str(finding.state),
                    "was": str(before.state),
                    "version": finding.version.version,
                    "commit": finding.version.commit,
                    "requires": str(self.probe.requirement),
                }
            },
        )


def until_tick(now: float, pause_s: float) -> float:
    """The pause, a little longer, so that it ends when those of others do; ``now`` in loop time."""
    tick_s = _TICK_S if pause_s > 5 * _TICK_S else pause_s / 10
    return math.ceil((now + pause_s) / tick_s) * tick_s - now


def _join(finding: Finding) -> str:
    """The finding as what follows the name of the dependency."""
    return finding.why if finding.may_pass else f"will not do: {finding.why}"
