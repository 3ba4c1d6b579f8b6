"""What was configured as the most that is served at once, beside which the gauges of traffic read.

Called by the registry at scrape time; ``app.build`` gives it the settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(eq=False, slots=True)
class Limits(Collector):
    """The collector. ``in_flight``: 0 = no limit."""

    connections: int
    in_flight: int

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment, which are the same in every moment."""
        yield GaugeMetricFamily(
            "sidecar_connections_limit",
            "How many client connections may be open at once.",
            value=self.connections,
        )
        yield GaugeMetricFamily(
            "sidecar_requests_in_flight_limit",
            "How many requests may be served at once; 0 = any number.",
            value=self.in_flight,
        )
