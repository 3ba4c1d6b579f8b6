"""The application's own calls: how many, to whom, and which version of a dependency answered them.

Written by ``proxy.outbound`` and ``proxy.calls``. Labels come from closed sets: names of configured
dependencies, or ``other``; of each dependency so many versions at a time, each of them one that is
in the grammar of versions. An answer can spoil what is said of its sender, not make labels grow.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sidecar.errors import (
    NotIntercepted,
    OverLimit,
    UpstreamRefused,
    UpstreamTimeout,
    VersionError,
)
from sidecar.metrics.families import counters
from sidecar.metrics.meters import Meter, Meters
from sidecar.metrics.traffic import CODES
from sidecar.versions.stamp import UNKNOWN
from sidecar.versions.version import parse_version

OTHER: Final = "other"
#: The destination of a call was the sidecar itself.
LOOP: Final = "loop"
PROTOCOLS: Final = ("http", "opaque", "undecided")
REASONS: Final = (
    NotIntercepted.reason,
    OverLimit.reason,
    LOOP,
    UpstreamRefused.reason,
    UpstreamTimeout.reason,
)

#: Versions of one dependency that are remembered: those that answered last.
MAX_VERSIONS: Final = 8
MAX_VERSION_BYTES: Final = 128


class OutboundTraffic(Collector):
    """The counts; ``dependencies`` are the names of the configuration."""

    def __init__(self, dependencies: Sequence[str], *, is_on: bool) -> None:
        self._is_on = is_on
        self._requests: dict[tuple[str, int], int] = {}
        self._connections = dict.fromkeys(PROTOCOLS, 0)
        self._failures = dict.fromkeys(REASONS, 0)
        self._observed: dict[str, dict[bytes, float]] = {name: {} for name in dependencies}
        self._meters = Meters()
        self.open_count = 0

    def answered(self, dependency: str, code: int) -> None:
        """A request to a dependency, or to :data:`OTHER`, was answered."""
        request = (dependency, code if code in CODES else 0)
        self._requests[request] = self._requests.get(request, 0) + 1

    def observe(self, dependency: str, claimed_version: bytes, now: float) -> None:
        """An answer of a dependency says its version; ``now`` in unix seconds."""
        versions = self._observed.get(dependency)
        if versions is None:
            return
        if claimed_version not in versions:
            if not _is_version(claimed_version):
                return
            if len(versions) >= MAX_VERSIONS:
                del versions[min(versions, key=lambda version: versions[version])]
        versions[claimed_version] = now

    def failed(self, reason: str) -> None:
        """A connection was not carried; ``reason`` is one of :data:`REASONS`."""
        self._failures[reason] += 1

    def carry(self, meter: Meter) -> None:
        """The destination accepted: from now on bytes pass."""
        self._meters.begin(meter)

    def carried(self, meter: Meter, protocol: str) -> None:
        """A connection has ended; ``protocol`` is one of :data:`PROTOCOLS`."""
        self._meters.end(meter)
        self._connections[protocol] += 1

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment; none where calls are not redirected to us."""
        if not self._is_on:
            return
        yield GaugeMetricFamily(
            "sidecar_outbound_connections_open",
            "The application's calls that are open now.",
            value=self.open_count,
        )
        yield counters(
            "sidecar_outbound_connections",
            "The application's calls that have ended, by what was spoken.",
            "protocol",
            self._connections,
        )
        yield counters(
            "sidecar_outbound_failures",
            "Calls that were not carried, by why.",
            "reason",
            self._failures,
        )
        yield counters(
            "sidecar_outbound_bytes",
            "Bytes of the application's calls.",
            "direction",
            {"out": self._meters.to_application_bytes, "in": self._meters.to_client_bytes},
        )
        yield from self._of_dependencies()

    def _of_dependencies(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "sidecar_outbound_requests",
            "Requests of the application that were answered, by whom.",
            labels=("dependency", "code"),
        )
        for (dependency, code), count in sorted(self._requests.items()):
            requests.add_metric((dependency, str(code) if code else OTHER), count)
        info = InfoMetricFamily(
            "sidecar_dependency_observed",
            "Versions that a dependency's answers to the application said last.",
            labels=("dependency", "version"),
        )
        seen = GaugeMetricFamily(
            "sidecar_dependency_observed_timestamp_seconds",
            "When an answer last said that version.",
            labels=("dependency", "version"),
        )
        for dependency, versions in self._observed.items():
            for version, at in versions.items():
                info.add_metric((dependency, version.decode()), {})
                seen.add_metric((dependency, version.decode()), at)
        yield from (requests, info, seen)


def _is_version(claimed: bytes) -> bool:
    if len(claimed) > MAX_VERSION_BYTES or claimed == UNKNOWN.encode():
        return False
    try:
        parse_version(claimed.decode("ascii"))
    except (UnicodeDecodeError, VersionError):
        return False
    return True
