"""How many tokens a fleet accepts a second, of the new key and of older ones, over time.

From a Prometheus, which remembers the last hour. Called by ``fleet.watch``.
"""

import asyncio
from typing import Final

from sidecar.fleet.prometheus import Prometheus
from sidecar.metrics.history import Point

SPAN_S: Final = 3600.0
STEP_S: Final = 15.0
_ACCEPTED: Final = "sidecar_tokens_accepted_total"
#: A rate needs two samples; one scrape may fail.
_SCRAPES: Final = 4


async def load_points(source: Prometheus, at: float, interval_s: float) -> list[Point]:
    """The last hour until ``at``, the oldest first; a moment of which nothing is known is missing.

    ``interval_s``: between two scrapes. Raises :class:`sidecar.errors.FleetError`.
    """
    window_s = max(_SCRAPES * interval_s, STEP_S)
    new, old = await asyncio.gather(
        *(_rates(source, generation, at, window_s) for generation in ("new", "old"))
    )
    return [
        Point(moment, STEP_S, new.get(moment, 0.0), old.get(moment, 0.0))
        for moment in sorted({*new, *old})
    ]


async def _rates(
    source: Prometheus, generation: str, at: float, window_s: float
) -> dict[float, float]:
    selector = source.selector(_ACCEPTED, f'generation="{generation}"')
    expression = f"sum(rate({selector}[{window_s * 1000:.0f}ms]))"
    return dict(await source.range(expression, at - SPAN_S, at, STEP_S))
