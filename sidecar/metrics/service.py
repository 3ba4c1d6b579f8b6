"""What runs here: the service beside us, and this sidecar itself."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class ServiceInfo(Collector):
    """Names and versions, fixed at start."""

    service: str
    version: str
    commit: str
    is_version_known: bool
    sidecar_version: str

    def collect(self) -> Iterator[Metric]:
        """The samples, always the same."""
        yield InfoMetricFamily(
            "sidecar_service",
            "The service that this sidecar stands beside.",
            value={"service": self.service, "version": self.version, "commit": self.commit},
        )
        yield GaugeMetricFamily(
            "sidecar_service_version_known",
            "Whether the service's version was stated at build time.",
            value=float(self.is_version_known),
        )
        yield InfoMetricFamily(
            "sidecar_build",
            "This sidecar.",
            value={"version": self.sidecar_version, "python": platform.python_version()},
        )
