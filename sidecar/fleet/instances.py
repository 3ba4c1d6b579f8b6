"""Every instance that answers, as its own metrics describe it: who it is, and what it needs.

Reads the samples of a ``Current`` and judges nothing. A requirement or a version is kept as the
text that was said, but for what no terminal should be shown. Called by ``fleet.services``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.fleet.source import Current, Sample, Target, label, printable
from sidecar.versions.stamp import UNKNOWN, ServiceVersion

_SERVICE: Final = "sidecar_service_info"
_VERIFIED: Final = "sidecar_service_version_verified"
_INFO: Final = "sidecar_dependency_info"
_ANSWERER: Final = "sidecar_dependency_service_info"
_UP: Final = "sidecar_dependency_up"
_SATISFIED: Final = "sidecar_dependency_satisfied"

#: What a source has to be asked for.
METRICS: Final = frozenset((_SERVICE, _VERIFIED, _INFO, _ANSWERER, _UP, _SATISFIED))


@dataclass(frozen=True, slots=True)
class StatedNeed:
    """What an instance says of one service that it needs.

    ``dependency``: the name in its own configuration. ``answerer``: what the needed one calls
    itself, "" = it never said. ``version``: of its last answer; ``is_up``: whether it gave one when
    it was asked last.
    """

    dependency: str
    requires: str
    answerer: str
    version: str
    is_up: bool
    is_satisfied: bool


@dataclass(frozen=True, slots=True)
class Instance:
    """One replica of a service. ``is_verified``: whether its application says the version that its
    image is stamped with, None where only one of them says any."""

    address: str
    service: str
    version: ServiceVersion
    is_verified: bool | None
    needs: tuple[StatedNeed, ...]


def read_instances(current: Current) -> tuple[Instance, ...]:
    """The instances, by service and address."""
    samples: dict[Target, list[Sample]] = defaultdict(list)
    for sample in current.samples:
        if sample.name in METRICS:
            samples[sample.target].append(sample)
    found = (each for of_one in samples.values() for each in _read_target(of_one))
    return tuple(sorted(found, key=lambda instance: (instance.service, instance.address)))


def _read_target(samples: Iterable[Sample]) -> Iterable[Instance]:
    of: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        of[sample.name].append(sample)
    versions: dict[str, set[ServiceVersion]] = defaultdict(set)
    for info in of[_SERVICE]:
        version, commit = _said(info, "version") or UNKNOWN, _said(info, "commit") or UNKNOWN
        versions[_said(info, "service") or UNKNOWN].add(ServiceVersion(version, commit))
    needs = _read_needs(of)
    for service, found in versions.items():
        # Two versions of one instance at one moment: nobody can tell which it is.
        is_clear = len(found) == 1
        yield Instance(
            address=printable(of[_SERVICE][0].labels.get("instance", "")),
            service=service,
            version=found.pop() if is_clear else ServiceVersion(UNKNOWN, UNKNOWN),
            is_verified=_flag(of[_VERIFIED]),
            needs=needs,
        )


def _read_needs(of: Mapping[str, list[Sample]]) -> tuple[StatedNeed, ...]:
    answerers = {_dependency(each): _said(each, "service") for each in of[_ANSWERER]}
    up = {_dependency(each) for each in of[_UP] if each.value == 1}
    satisfied = {_dependency(each) for each in of[_SATISFIED] if each.value == 1}
    needs = (
        StatedNeed(
            dependency=_dependency(info),
            requires=_said(info, "requires"),
            answerer=answerers.get(_dependency(info), ""),
            version=_said(info, "version") or UNKNOWN,
            is_up=_dependency(info) in up,
            is_satisfied=_dependency(info) in satisfied,
        )
        for info in of[_INFO]
    )
    return tuple(sorted(needs, key=lambda need: (need.dependency, need.requires, need.version)))


def _dependency(sample: Sample) -> str:
    return _said(sample, "dependency")


def _said(sample: Sample, name: str) -> str:
    return printable(label(sample.labels, name))


def _flag(samples: Iterable[Sample]) -> bool | None:
    values = {sample.value for sample in samples}
    return None if not values else values == {1.0}
