"""Dependencies as samples."""

from dataclasses import dataclass, field

from sidecar.metrics.dependencies import Dependencies
from sidecar.metrics.registry import build_registry
from sidecar.versions.stamp import ServiceVersion


@dataclass
class Status:
    is_up: bool = True
    is_satisfied: bool | None = True
    version: ServiceVersion = field(default_factory=lambda: ServiceVersion("v2.3", "c0"))
    service: str = "users-backend"
    answered_at: float | None = 100.0
    counts: dict[str, int] = field(default_factory=lambda: {"satisfied": 3, "failed": 1})


@dataclass
class Dependency:
    name: str
    status: Status
    requires: str = ">=v2.3"


def test_each_dependency_is_up_and_satisfied_or_not() -> None:
    silent = Status(is_up=False, is_satisfied=None, service="", answered_at=None)
    watched = [
        Dependency("users", Status()),
        Dependency("old", Status(is_satisfied=False)),
        Dependency("silent", silent),
    ]
    registry = build_registry([Dependencies(watched)])

    def values(name: str) -> list[float | None]:
        return [registry.get_sample_value(name, {"dependency": each.name}) for each in watched]

    assert values("sidecar_dependency_up") == [1, 1, 0]
    assert values("sidecar_dependency_satisfied") == [1, 0, 0]
    assert values("sidecar_dependency_last_answer_timestamp_seconds") == [100, 100, 0]
    info = {"dependency": "users", "requires": ">=v2.3", "version": "v2.3", "commit": "c0"}
    assert registry.get_sample_value("sidecar_dependency_info", info) == 1
    named = {
        tuple(sample.labels.values())
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "sidecar_dependency_service_info"
    }
    assert named == {("users", "users-backend"), ("old", "users-backend")}
    labels = {"dependency": "users", "result": "satisfied"}
    assert registry.get_sample_value("sidecar_dependency_checks_total", labels) == 3


def test_a_service_that_needs_nobody_has_no_samples() -> None:
    assert list(Dependencies([]).collect()) == []
