"""The state of a fleet's versions: what runs, what it needs, whether that is there.

The answer to ``sidecar fleet status``, as a document and as remarks for people. It puts together
what ``fleet.services`` and ``fleet.needs`` know. Pure; called by the command line and the console
of a fleet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sidecar.fleet.needs import JudgedNeed, judge_needs, overall, replicas
from sidecar.fleet.services import Fleet, Running, Service
from sidecar.fleet.source import SilentTarget
from sidecar.rotation.moment import format_moment
from sidecar.versions.stamp import UNKNOWN


@dataclass(frozen=True, slots=True)
class Status:
    """A fleet, and each of its needs with its judgement."""

    fleet: Fleet
    needs: tuple[JudgedNeed, ...]

    @property
    def is_satisfied(self) -> bool | None:
        """Whether every need is met; None where one is not known, or a replica does not answer."""
        holds = [each.judgement.holds for each in self.needs]
        return overall([*holds, *([None] if self.fleet.silent else [])])

    def remarks(self) -> list[str]:
        """What deserves a look, one sentence each."""
        found = [sentence for each in self.fleet.services.values() for sentence in _remarks(each)]
        return found + [tell_silence(target) for target in self.fleet.silent]

    def document(self) -> dict[str, Any]:
        """All of it as JSON-able values; times are RFC 3339 in UTC."""
        fleet = self.fleet
        return {
            "asked_at": format_moment(fleet.asked_at),
            "satisfied": self.is_satisfied,
            "services": [_service(each) for each in fleet.services.values()],
            "needs": [need_object(each) for each in self.needs],
            "silent": [silent_object(target) for target in fleet.silent],
            "remarks": self.remarks(),
        }


def build_status(fleet: Fleet) -> Status:
    """The state of this fleet."""
    return Status(fleet, judge_needs(fleet))


def need_object(judged: JudgedNeed) -> dict[str, Any]:
    """A need as a JSON-able object."""
    need = judged.need
    return {
        "service": judged.user,
        "version": judged.version,
        "replicas": len(need.stated),
        "needs": need.service,
        "dependency": need.dependency,
        "requires": need.requires,
        "satisfied": judged.judgement.holds,
        "why": judged.judgement.why,
    }


def silent_object(target: SilentTarget) -> dict[str, Any]:
    """A target that does not answer, as a JSON-able object."""
    return {
        "job": target.job,
        "instance": target.instance,
        "service": target.last_service or None,
        "since": None if target.since is None else format_moment(target.since),
        "why": target.why,
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "in_fleet": not service.is_outside,
        "mixed": service.is_mixed,
        "replicas": service.replicas,
        "silent": len(service.silent),
        "versions": [
            {
                "version": running.version,
                "commits": list(running.commits),
                "replicas": len(running.replicas),
                "verified": running.is_verified,
                "instances": [replica.address for replica in running.replicas],
            }
            for running in service.running
        ],
    }


def _remarks(service: Service) -> Iterator[str]:
    if service.name == UNKNOWN and service.replicas:
        verb = "says" if service.replicas == 1 else "say"
        yield f"{replicas(service.replicas)} {verb} no service's name: set service there."
    if service.is_mixed:
        shares = ", ".join(f"{each.version} on {len(each.replicas)}" for each in service.running)
        yield f"{service.name} is in the middle of a rollout: {shares}."
    for running in service.running:
        yield from _remarks_on_version(service.name, running)


def _remarks_on_version(name: str, running: Running) -> Iterator[str]:
    many = replicas(len(running.replicas))
    if running.version == UNKNOWN:
        yield f"{name}: the version of {many} is unknown: build the image with VERSION_NAME."
    if running.contradicted:
        told = replicas(running.contradicted)
        says = "says" if running.contradicted == 1 else "say"
        yield f"{name} {running.version}: the application of {told} {says} another version."
    if len(running.commits) > 1:
        yield f"{name} {running.version} is {len(running.commits)} different commits."


def tell_silence(target: SilentTarget) -> str:
    """A target that does not answer, as a sentence."""
    who = f"{target.last_service} at " if target.last_service else "The target "
    since = "" if target.since is None else f" since {format_moment(target.since)}"
    return f"{who}{target.instance} is silent{since} ({target.why})."
