"""What this service needs of others, as metrics: whether each dependency answers, and will do.

It reads at scrape time what ``dependencies`` keeps. Labels are names of the configuration, and of
each dependency the one version and name that it answered last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sidecar.versions.stamp import ServiceVersion


class DependencyStatus(Protocol):
    """What the metrics read of one dependency."""

    @property
    def is_up(self) -> bool: ...
    @property
    def is_satisfied(self) -> bool | None: ...
    @property
    def version(self) -> ServiceVersion: ...
    @property
    def service(self) -> str: ...
    @property
    def answered_at(self) -> float | None: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


class Dependency(Protocol):
    """One dependency, as it is watched."""

    @property
    def name(self) -> str: ...
    @property
    def requires(self) -> str: ...
    @property
    def status(self) -> DependencyStatus: ...


@dataclass(eq=False, slots=True)
class Dependencies(Collector):
    """The collector."""

    watched: Sequence[Dependency]

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment; none where nothing is needed."""
        if not self.watched:
            return
        statuses = {each.name: each.status for each in self.watched}
        yield _gauge(
            "sidecar_dependency_up",
            "Whether the dependency answered the last question with a version.",
            {name: status.is_up for name, status in statuses.items()},
        )
        yield _gauge(
            "sidecar_dependency_satisfied",
            "Whether the dependency's version will do; 0 also where nobody can tell.",
            {name: status.is_satisfied is True for name, status in statuses.items()},
        )
        yield _gauge(
            "sidecar_dependency_last_answer_timestamp_seconds",
            "When the dependency last answered with a version; 0 = never.",
            {name: status.answered_at or 0.0 for name, status in statuses.items()},
        )
        yield self._info()
        yield self._services()
        yield _checks(statuses)

    def _info(self) -> Metric:
        family = InfoMetricFamily(
            "sidecar_dependency",
            "What is needed of the dependency, and what it answered last.",
            labels=("dependency", "requires", "version", "commit"),
        )
        for each in self.watched:
            version = each.status.version
            family.add_metric((each.name, each.requires, version.version, version.commit), {})
        return family

    def _services(self) -> Metric:
        family = InfoMetricFamily(
            "sidecar_dependency_service",
            "What the dependency calls itself; missing where it does not say a name.",
            labels=("dependency", "service"),
        )
        for each in self.watched:
            if each.status.service:
                family.add_metric((each.name, each.status.service), {})
        return family


def _gauge(name: str, documentation: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=("dependency",))
    for dependency, value in values.items():
        family.add_metric((dependency,), float(value))
    return family


def _checks(statuses: Mapping[str, DependencyStatus]) -> Metric:
    family = CounterMetricFamily(
        "sidecar_dependency_checks",
        "Questions to the dependency, by what they found.",
        labels=("dependency", "result"),
    )
    for name, status in statuses.items():
        for result, count in status.counts.items():
            family.add_metric((name, str(result)), count)
    return family
