"""This replica's clock, so that whoever scrapes can see by how much clocks differ.

Tokens are judged by clocks, and ``leeway`` is all that they may be apart. Prometheus stamps each
scrape with its own clock: ``sidecar_clock_timestamp_seconds -
timestamp(sidecar_clock_timestamp_seconds)`` is how far this one is ahead of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(eq=False, slots=True)
class Clock(Collector):
    """The collector; ``now`` tells the time in unix seconds."""

    now: Callable[[], float]

    def collect(self) -> Iterator[Metric]:
        """The sample of this moment."""
        yield GaugeMetricFamily(
            "sidecar_clock_timestamp_seconds",
            "What this replica's clock said when it was scraped.",
            value=self.now(),
        )
