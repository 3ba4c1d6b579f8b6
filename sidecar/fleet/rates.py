"""How many tokens a fleet accepts a second, of the new key and of older ones, over time.

From a Prometheus, which remembers the last hour. Called by ``fleet.watch``.
"""

import asyncio
import json
from typing import Final

from sidecar.fleet.prometheus import Prometheus
from sidecar.metrics.history import Point

SPAN_S: Final = 3600.0
STEP_S: Final = 15.0
_ACCEPTED: Final = "sidecar_tokens_accepted_total"
#: A rate needs two samples; one scrape may fail.
_SCRAPES: Final = 4


async def load_points(
    source: Prometheus, at: float, interval_s: float, newest: str | None
) -> list[Point]:
    """The last hour until ``at``, the oldest first; a moment of which nothing is known is missing.

    ``interval_s``: between two scrapes. ``newest``: the new key, of which all others are the old
    ones. A replica's own word for a key's generation is of the moment at which it was counted: by
    that, the old key would take over while the new one is handed to everybody. Raises
    :class:`sidecar.errors.FleetError`.
    """
    window_s = max(_SCRAPES * interval_s, STEP_S)
    key_id = json.dumps(newest or "", ensure_ascii=False)  # as PromQL quotes, too
    new, old = await asyncio.gather(
        *(_rates(source, f"key{sign}{key_id}", at, window_s) for sign in ("=", "!="))
    )
    return [
        Point(moment, STEP_S, new.get(moment, 0.0), old.get(moment, 0.0))
        for moment in sorted({*new, *old})
    ]


async def _rates(
    source: Prometheus, matcher: str, at: float, window_s: float
) -> dict[float, float]:
    expression = f"sum(rate({source.selector(_ACCEPTED, matcher)}[{window_s * 1000:.0f}ms]))"
    return dict(await source.range(expression, at - SPAN_S, at, STEP_S))
