"""How many tokens of the new key and of older ones were accepted, over time. Pure but for its feed.

For the console's chart, where no Prometheus is at hand. The whole life of the process fits in a
bounded number of points: when they are used up, two become one and the interval doubles. A key that
is old now counts as old in all of the past, or the line of the new key would fall the moment
another one is handed to everybody. It keeps no token. Sampled by ``app.lifecycle``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

INTERVAL_S: Final = 2.0
MAX_POINTS: Final = 360

#: Key id to (generation, tokens of it accepted so far).
Accepted = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Point:
    """Accepted tokens a second, on average over the ``span_s`` seconds before ``at``."""

    at: float
    span_s: float
    new: float
    old: float


@dataclass(frozen=True, slots=True)
class _Span:
    """How many tokens of each key were accepted in the ``span_s`` seconds before ``at``."""

    at: float
    span_s: float
    gained: Mapping[str, int]


class History:
    """``accepted`` tells the totals of this moment."""

    def __init__(
        self,
        accepted: Callable[[], Accepted],
        *,
        interval_s: float = INTERVAL_S,
        max_points: int = MAX_POINTS,
    ) -> None:
        self.interval_s = interval_s
        self._accepted = accepted
        self._max_points = max_points
        self._spans: list[_Span] = []
        self._before: dict[str, int] = {}
        self._new: frozenset[str] = frozenset()
        self._sampled_at: float | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """The oldest first; what is the new key and what is old, as of the last sample."""
        return tuple(self._point(span) for span in self._spans)

    def sample(self, now: float) -> None:
        """Note what was accepted since the last sample, if ``interval_s`` seconds have passed.

        A clock that was set back begins a new interval.
        """
        if self._sampled_at is not None and 0 <= now - self._sampled_at < self.interval_s:
            return
        accepted = self._accepted()
        totals = {key_id: total for key_id, (_, total) in accepted.items()}
        if self._sampled_at is not None and now > self._sampled_at:
            gained = {
                key_id: total - self._before.get(key_id, 0)
                for key_id, total in totals.items()
                if total > self._before.get(key_id, 0)
            }
            self._spans.append(_Span(now, now - self._sampled_at, gained))
        self._before = totals
        self._new = frozenset(
            each for each, (generation, _) in accepted.items() if generation == "new"
        )
        self._sampled_at = now
        if len(self._spans) > self._max_points:
            self._halve()

    def _point(self, span: _Span) -> Point:
        new = sum(count for key_id, count in span.gained.items() if key_id in self._new)
        old = sum(span.gained.values()) - new
        return Point(span.at, span.span_s, new / span.span_s, old / span.span_s)

    def _halve(self) -> None:
        pairs = zip(self._spans[::2], self._spans[1::2], strict=False)
        odd = self._spans[-1:] if len(self._spans) % 2 else []
        self._spans = [_join(*pair) for pair in pairs] + odd
        self.interval_s *= 2


def _join(first: _Span, second: _Span) -> _Span:
    gained = dict(first.gained)
    for key_id, count in second.gained.items():
        gained[key_id] = gained.get(key_id, 0) + count
    return _Span(second.at, first.span_s + second.span_s, gained)
