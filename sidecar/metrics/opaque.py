"""Connections whose bytes pass unread, by the port that the configuration declares opaque.

Written by ``proxy.opaque``. Labels are ports of the configuration, as it writes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.metrics.meters import Meter, Meters
from sidecar.setting import PortRange

#: How a connection came out. REFUSED: too many were open, or its PROXY header was missing or wrong.
CARRIED: Final = "carried"
FAILED: Final = "unreachable"
REFUSED: Final = "refused"


@dataclass(slots=True)
class _Counts:
    meters: Meters = field(default_factory=Meters)
    open: int = 0
    carried: int = 0
    unreachable: int = 0
    refused: int = 0


class OpaqueTraffic(Collector):
    """The counts, for each entry of ``opaque_ports``."""

    def __init__(self, ports: Sequence[PortRange]) -> None:
        self._counts = {entry: _Counts() for entry in ports}

    def begin(self, port: int) -> None:
        """A connection was let in."""
        self._of(port).open += 1

    def end(self, port: int) -> None:
        """A connection that was let in has ended."""
        self._of(port).open -= 1

    def carry(self, port: int, meter: Meter) -> None:
        """The application accepted: from now on bytes pass."""
        self._of(port).meters.begin(meter)

    def carried(self, port: int, meter: Meter) -> None:
        """Both directions have ended."""
        counts = self._of(port)
        counts.meters.end(meter)
        counts.carried += 1

    def failed(self, port: int) -> None:
        """The application did not accept a connection."""
        self._of(port).unreachable += 1

    def refused(self, port: int) -> None:
        """A connection was not let in."""
        self._of(port).refused += 1

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment; none where no port is opaque."""
        if not self._counts:
            return
        open_now = GaugeMetricFamily(
            "sidecar_opaque_connections_open",
            "Connections to opaque ports that are open now.",
            labels=("port",),
        )
        connections = CounterMetricFamily(
            "sidecar_opaque_connections",
            "Connections to opaque ports that have ended, by what became of them.",
            labels=("port", "result"),
        )
        size = CounterMetricFamily(
            "sidecar_opaque_bytes",
            "Bytes that passed unread.",
            labels=("port", "direction"),
        )
        for entry, counts in self._counts.items():
            port = str(entry)
            open_now.add_metric((port,), counts.open)
            connections.add_metric((port, CARRIED), counts.carried)
            connections.add_metric((port, FAILED), counts.unreachable)
            connections.add_metric((port, REFUSED), counts.refused)
            size.add_metric((port, "in"), counts.meters.to_application_bytes)
            size.add_metric((port, "out"), counts.meters.to_client_bytes)
        yield from (open_now, connections, size)

    def _of(self, port: int) -> _Counts:
        return next(counts for entry, counts in self._counts.items() if port in entry)
