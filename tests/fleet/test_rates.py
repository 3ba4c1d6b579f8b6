"""The chart of a fleet, from what a Prometheus remembers."""

from typing import cast

from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.rates import SPAN_S, STEP_S, load_points

NOW = 1_795_000_000.0


class Remembers:
    """A Prometheus that has rates of both generations; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def selector(self, name: str, *matchers: str) -> str:
        return f"{name}{{{','.join(matchers)}}}"

    async def range(
        self, expression: str, start: float, end: float, step_s: float
    ) -> list[tuple[float, float]]:
        assert (start, end, step_s) == (NOW - SPAN_S, NOW, STEP_S)
        self.asked.append(expression)
        new = [(NOW - 15, 2.0), (NOW, 3.0)]
        return new if 'generation="new"' in expression else [(NOW - 30, 7.0), (NOW - 15, 1.0)]


async def test_new_and_old_are_put_together_by_their_moments() -> None:
    source = Remembers()
    points = await load_points(cast(Prometheus, source), NOW, interval_s=10.0)
    assert [(point.at, point.new, point.old) for point in points] == [
        (NOW - 30, 0.0, 7.0),
        (NOW - 15, 2.0, 1.0),
        (NOW, 3.0, 0.0),
    ]
    assert source.asked[0] == (
        'sum(rate(sidecar_tokens_accepted_total{generation="new"}[40000ms]))'
    )
