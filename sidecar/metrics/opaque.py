"""Connections whose bytes pass unread, by the port that the configuration declares opaque.

Written by ``proxy.opaque``. Labels are ports of the configuration, as it writes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.setting import PortRange

#: How a connection came out. REFUSED: too many were open, or its PROXY header was missing or wrong.
CARRIED: Final = "carried"
FAILED: Final = "unreachable"
REFUSED: Final = "refused"


class Meter(Protocol):
    """A tunnel, as it is read here: the bytes that it has carried so far."""

    bytes_to_application: int
    bytes_to_client: int


@dataclass(slots=True)
class _Counts:
    meters: set[Meter] = field(default_factory=set)
    open: int = 0
    carried: int = 0
    unreachable: int = 0
    refused: int = 0
    to_application_bytes: int = 0
    to_client_bytes: int = 0


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
        self._of(port).meters.add(meter)

    def carried(self, port: int, meter: Meter) -> None:
        """Both directions have ended."""
        counts = self._of(port)
        counts.meters.discard(meter)
        counts.carried += 1
        counts.to_application_bytes += meter.bytes_to_application
        counts.to_client_bytes += meter.bytes_to_client

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
            to_application = sum(meter.bytes_to_application for meter in counts.meters)
            to_client = sum(meter.bytes_to_client for meter in counts.meters)
            size.add_metric((port, "in"), counts.to_application_bytes + to_application)
            size.add_metric((port, "out"), counts.to_client_bytes + to_client)
        yield from (open_now, connections, size)

    def _of(self, port: int) -> _Counts:
        return next(counts for entry, counts in self._counts.items() if port in entry)
