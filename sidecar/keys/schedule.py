"""When a remote source is asked: its period, the back-off after a failure, and haste.

All times are seconds of a clock that never jumps. Every delay is shortened by up to a fifth, at
random, so that the replicas of a service do not ask together. Pure.

Called by ``remote``.
"""

from collections.abc import Callable
from random import SystemRandom
from typing import Final

#: The period where neither the configuration nor the answer says one.
DEFAULT_PERIOD_S: Final = 300.0
#: What an answer may say of its own freshness.
MIN_FRESH_S: Final = 30.0
MAX_FRESH_S: Final = 3600.0
#: Haste, which any client can cause, leads to no more than one look in this time.
HASTE_GAP_S: Final = 10.0
FIRST_BACKOFF_S: Final = 1.0
#: However long the period and the outage are, recovery is noticed within this time.
MAX_BACKOFF_S: Final = 60.0

_JITTER: Final = SystemRandom().uniform


class Schedule:
    """``refresh_s``: the longest time between two looks, or ``None`` where the answer may say.

    ``due_at``: when the next look is due. ``has_looked``: one has ended, with whatever success.
    """

    def __init__(
        self,
        refresh_s: float | None,
        *,
        haste_gap_s: float = HASTE_GAP_S,
        jitter: Callable[[float, float], float] = _JITTER,
    ) -> None:
        self.due_at = float("-inf")  # the first look is due at once
        self.is_looking = False
        self.has_looked = False
        self._refresh_s = refresh_s
        self._haste_gap_s = haste_gap_s
        self._jitter = jitter
        self._backoff_s = FIRST_BACKOFF_S
        self._ended_at = float("-inf")
        self._is_hurried = False

    def begin(self) -> None:
        """A look begins."""
        self.is_looking, self._is_hurried = True, False

    def succeed(self, now: float, fresh_s: float | None) -> None:
        """The look brought a good answer, which says that it is fresh for so long."""
        self._backoff_s = FIRST_BACKOFF_S
        self._end(now, self._period_s(fresh_s))

    def fail(self, now: float) -> None:
        """The look brought nothing."""
        delay_s = min(self._backoff_s, self._period_s(None), MAX_BACKOFF_S)
        self._backoff_s = delay_s * 2
        self._end(now, delay_s)

    def hurry(self, now: float) -> bool:
        """Look as soon as may be; whether that is now.

        During a look it means another one after it: this one may have been answered before the
        reason for the haste came to be.
        """
        if self.is_looking:
            self._is_hurried = True
            return False
        self.due_at = min(self.due_at, self._ended_at + self._haste_gap_s)
        return self.due_at <= now

    def _end(self, now: float, delay_s: float) -> None:
        self.is_looking, self.has_looked, self._ended_at = False, True, now
        self.due_at = now + delay_s * self._jitter(0.8, 1.0)
        if self._is_hurried:
            self.hurry(now)

    def _period_s(self, fresh_s: float | None) -> float:
        if fresh_s is None:
            return DEFAULT_PERIOD_S if self._refresh_s is None else self._refresh_s
        bounded_s = min(max(fresh_s, MIN_FRESH_S), MAX_FRESH_S)
        return bounded_s if self._refresh_s is None else min(bounded_s, self._refresh_s)
