"""What runs here: the service beside us, and this sidecar itself."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.versions.statement import Statement


@dataclass(eq=False, slots=True)
class ServiceInfo(Collector):
    """Names and versions; ``statement`` is what is known of the service's at this moment."""

    service: str
    statement: Callable[[], Statement]
    sidecar_version: str

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        statement = self.statement()
        version = statement.version
        yield InfoMetricFamily(
            "sidecar_service",
            "The service that this sidecar stands beside.",
            value={"service": self.service, **version.as_object()},
        )
        yield GaugeMetricFamily(
            "sidecar_service_version_known",
            "Whether the service's version and commit are known.",
            value=float(version.is_known),
        )
        if statement.is_verified is not None:
            yield GaugeMetricFamily(
                "sidecar_service_version_verified",
                "Whether the application says the version that its image is stamped with; "
                "missing where only one side says a version.",
                value=float(statement.is_verified),
            )
        yield InfoMetricFamily(
            "sidecar_build",
            "This sidecar.",
            value={"version": self.sidecar_version, "python": platform.python_version()},
        )
