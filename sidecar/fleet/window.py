"""The window of time that a Prometheus is asked about, and how often it scrapes in it.

The part of the window that nothing is in is left out, so that a long window over a young store
costs little. Called by ``past``.
"""

import asyncio
import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from sidecar.errors import FleetError
from sidecar.fleet.prometheus import KnownTarget, Prometheus, Series, why_no_sidecar
from sidecar.fleet.replicas import BEGINNING
from sidecar.fleet.source import Sample
from sidecar.rotation.moment import format_moment, format_span

#: Where nobody says how often targets are scraped.
_USUAL_INTERVAL_S: Final = 30.0
#: How far back an instant query looks for a sample, unless Prometheus was told otherwise.
_LOOKBACK_S: Final = 300.0
#: The time in which the distance between two scrapes is measured, if nobody tells it.
_RECENT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``now`` (unix seconds, of the server's clock).

    ``interval_s``: between two scrapes of one target.
    """

    now: float
    length_s: float
    interval_s: float

    @property
    def start(self) -> float:
        return self.now - self.length_s

    @property
    def range(self) -> str:
        """As a range of PromQL."""
        return f"[{self.length_s:.0f}s]"

    @property
    def steps(self) -> str:
        """As a subquery, whose steps miss no scrape."""
        return f"[{self.length_s:.0f}s:{max(round(self.interval_s * 500), 1)}ms]"


async def find_window(
    source: Prometheus, length_s: float, targets: list[KnownTarget] | None
) -> Window:
    """The window of this length that ends now.

    Raises :class:`FleetError` where no sidecar was scraped in it, or too seldom.
    """
    now = await source.now()
    beginning = source.selector(BEGINNING)
    oldest, recent, up, rounds = await asyncio.gather(
        source.moments(
            f"min(min_over_time(timestamp({beginning})[{length_s:.0f}s:{_LOOKBACK_S:.0f}s]))"
            f" or min(timestamp({beginning}))",
            now,
        ),
        source.vector(f"last_over_time({beginning}[{_RECENT_S:.0f}s])", now),
        source.vector(source.selector("up"), now),
        source.raw(beginning, _RECENT_S, now),
    )
    if not oldest and not recent:
        raise await _emptiness(source, length_s, now, up)
    if oldest:
        length_s = min(length_s, math.ceil(now - oldest[0].value + 2 * _LOOKBACK_S))
    interval_s = _interval({sample.place[0] for sample in recent}, targets, rounds)
    if interval_s > _LOOKBACK_S / 2:
        raise FleetError(
            f"{source.name} scrapes the sidecars only every {interval_s:.0f} s; between two "
            "scrapes it forgets who is there. Let it scrape every 2 minutes or more often."
        )
    return Window(now, length_s, interval_s)


def _interval(jobs: set[str], targets: list[KnownTarget] | None, rounds: list[Series]) -> float:
    """The longest that is configured, or else what is usual between two samples."""
    known = [
        target.interval_s
        for target in targets or ()
        if target.interval_s and target.labels.get("job") in jobs
    ]
    if known:
        return max(known)
    distances = [
        after - before for series in rounds for (before, _), (after, _) in pairwise(series.samples)
    ]
    return median(distances) if distances else _USUAL_INTERVAL_S


async def _emptiness(
    source: Prometheus, length_s: float, now: float, up: list[Sample]
) -> FleetError:
    span = format_span(length_s)
    selector = source.selector(BEGINNING)
    before = await source.moments(f"max(max_over_time(timestamp({selector})[90d:1h]))", now)
    if before:
        at = format_moment(before[0].value)
        return FleetError(
            f"{source.name} has heard no sidecar in the last {span}, the last one at {at}; check "
            "that it still scrapes them, or ask for a longer --window."
        )
    return FleetError(f"{source.name} {await why_no_sidecar(source, up, span)}")
