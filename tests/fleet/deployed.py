"""Fleets for tests, as a source would bring them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sidecar.fleet.services import Fleet, build_fleet
from sidecar.fleet.source import Current, Sample, SilentTarget

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
NOW = 1_795_000_000.0


@dataclass(frozen=True)
class Asked:
    """What one dependency answered, and what became of it."""

    requires: str
    version: str = "unknown"
    answerer: str = ""
    is_up: bool = True
    is_satisfied: bool = True


def never(requires: str) -> Asked:
    """A dependency that never answered."""
    return Asked(requires, is_up=False, is_satisfied=False)


@dataclass(frozen=True)
class Deployed:
    """Some replicas of one version of a service."""

    service: str
    version: str
    needs: Mapping[str, Asked] = field(default_factory=dict)
    replicas: int = 1
    verified: bool | None = None
    commit: str = COMMIT

    def samples(self, instance: str, target: Mapping[str, str]) -> Iterator[Sample]:
        labels = {"job": "sidecars", "instance": instance, **target}

        def sample(name: str, value: float = 1, **more: str) -> Sample:
            # As Prometheus does where a target's label has the name of an exposed one.
            renamed = {f"exported_{key}" if key in target else key: more[key] for key in more}
            return Sample(name, {"__name__": name, **labels, **renamed}, value)

        yield sample(
            "sidecar_service_info", service=self.service, version=self.version, commit=self.commit
        )
        yield sample("sidecar_service_version_known", float(self.version != "unknown"))
        if self.verified is not None:
            yield sample("sidecar_service_version_verified", float(self.verified))
        for name, asked in self.needs.items():
            yield sample("sidecar_dependency_up", float(asked.is_up), dependency=name)
            yield sample("sidecar_dependency_satisfied", float(asked.is_satisfied), dependency=name)
            yield sample(
                "sidecar_dependency_info",
                dependency=name,
                requires=asked.requires,
                version=asked.version,
                commit="unknown",
            )
            if asked.answerer:
                yield sample(
                    "sidecar_dependency_service_info", dependency=name, service=asked.answerer
                )


def current(
    *deployed: Deployed,
    silent: Sequence[SilentTarget] = (),
    target: Mapping[str, str] | None = None,
) -> Current:
    """What a source would say of these; ``target`` are labels that discovery puts on all."""
    addresses = (f"10.0.0.{number}:15020" for number in count(1))
    samples = [
        sample
        for each in deployed
        for _ in range(each.replicas)
        for sample in each.samples(next(addresses), target or {})
    ]
    return Current(NOW, tuple(samples), tuple(silent))


def fleet(*deployed: Deployed, silent: Sequence[SilentTarget] = ()) -> Fleet:
    """The fleet of these."""
    return build_fleet(current(*deployed, silent=silent))


def gone(service: str, instance: str = "10.0.9.9:15020") -> SilentTarget:
    """A replica that does not answer; ``service`` is empty for one that never did."""
    return SilentTarget("sidecars", instance, service, NOW - 60, "connection refused")


USERS = Deployed("users-backend", "v2.3", replicas=3)
THOUGHTS = Deployed(
    "thoughts-backend", "v1.6", {"users": Asked(">=v2.3", "v2.3", "users-backend")}, replicas=2
)
FRONTEND = Deployed(
    "frontend",
    "v4.1",
    {
        "users": Asked(">=v2.0", "v2.3", "users-backend"),
        "thoughts": Asked(">=v1.6", "v1.6", "thoughts-backend"),
    },
)
#: The reference system, everything as it is needed.
SYSTEM = (USERS, THOUGHTS, FRONTEND)


def at(deployed: Deployed, version: str, replicas: int = 1) -> Deployed:
    """The same in another version."""
    return replace(deployed, version=version, replicas=replicas)
