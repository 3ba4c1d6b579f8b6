"""The chart of a fleet, from what a Prometheus remembers."""

from typing import cast

from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.rates import SPAN_S, STEP_S, load_points

NOW = 1_795_000_000.0


class Remembers:
    """A Prometheus that has rates of two keys; it notes what it was asked."""

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
        return new if 'key="2026-11"' in expression else [(NOW - 30, 7.0), (NOW - 15, 1.0)]


async def test_new_and_old_are_put_together_by_their_moments() -> None:
    source = Remembers()
    points = await load_points(cast(Prometheus, source), NOW, 10.0, "2026-11")
    assert [(point.at, point.new, point.old) for point in points] == [
        (NOW - 30, 0.0, 7.0),
        (NOW - 15, 2.0, 1.0),
        (NOW, 3.0, 0.0),
    ]
    assert source.asked == [
        f'sum(rate(sidecar_tokens_accepted_total{{key{sign}"2026-11"}}[40000ms]))'
        for sign in ("=", "!=")
    ]


async def test_the_id_of_a_key_is_quoted() -> None:
    source = Remembers()
    await load_points(cast(Prometheus, source), NOW, 10.0, 'a"} or vector(1) #\\')
    assert source.asked[0] == (
        'sum(rate(sidecar_tokens_accepted_total{key="a\\"} or vector(1) #\\\\"}[40000ms]))'
    )
