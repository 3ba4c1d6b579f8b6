"""How many tokens of the new key and of older ones were accepted, over time. Pure but for its feed.

For the console's chart, where no Prometheus is at hand. The whole life of the process fits in a
constant number of points: when they are used up, two become one and the interval doubles. It keeps
no token and no key. Sampled by ``app.lifecycle``.
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
        self._points: list[Point] = []
        self._before: dict[str, int] = {}
        self._sampled_at: float | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """The oldest first."""
        return tuple(self._points)

    def sample(self, now: float) -> None:
        """Note what was accepted since the last sample, if ``interval_s`` seconds have passed.

        A clock that was set back begins a new interval.
        """
        if self._sampled_at is not None and 0 <= now - self._sampled_at < self.interval_s:
            return
        accepted = self._accepted()
        if self._sampled_at is not None and now > self._sampled_at:
            span_s = now - self._sampled_at
            gained = dict.fromkeys(("new", "old"), 0)
            for key_id, (generation, total) in accepted.items():
                gained[generation] += max(total - self._before.get(key_id, 0), 0)
            point = Point(now, span_s, gained["new"] / span_s, gained["old"] / span_s)
            self._points.append(point)
        self._before = {key_id: total for key_id, (_, total) in accepted.items()}
        self._sampled_at = now
        if len(self._points) > self._max_points:
            self._halve()

    def _halve(self) -> None:
        pairs = zip(self._points[::2], self._points[1::2], strict=False)
        odd = self._points[-1:] if len(self._points) % 2 else []
        self._points = [_join(*pair) for pair in pairs] + odd
        self.interval_s *= 2


def _join(first: Point, second: Point) -> Point:
    span_s = first.span_s + second.span_s
    return Point(
        second.at,
        span_s,
        (first.new * first.span_s + second.new * second.span_s) / span_s,
        (first.old * first.span_s + second.old * second.span_s) / span_s,
    )
