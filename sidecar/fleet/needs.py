"""Whether what a service needs of another is there, from what really runs.

Two witnesses are heard: the replicas of the needed service, each with its version, and the ones
that need it, each with the answer that it got. One version among several that will not do is a no;
a replica that does not answer is never a yes. Pure; called by ``fleet.change`` and the reports.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sidecar.errors import VersionError
from sidecar.fleet.instances import StatedNeed
from sidecar.fleet.services import Fleet, Need, Service, newest_first
from sidecar.versions.requirement import ANY, Judgement, Requirement, parse_requirement
from sidecar.versions.stamp import UNKNOWN

#: A fleet has few different requirements and versions, said by many replicas, again and again.
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class JudgedNeed:
    """A need of ``user`` in this ``version``, and whether it is met."""

    user: str
    version: str
    need: Need
    judgement: Judgement


def judge_needs(fleet: Fleet) -> tuple[JudgedNeed, ...]:
    """Every need of the fleet, by the user's name and version."""
    return tuple(
        JudgedNeed(user.name, running.version, need, judge_need(fleet, need))
        for user, running, need in fleet.needs()
    )


def judge_need(fleet: Fleet, need: Need) -> Judgement:
    """Whether it is met now."""
    found = list(_running(fleet.services[need.service], need.requires))
    found += [_answered(each, need.requires) for each in need.stated]
    return _conclusion(found)


def judge_running(fleet: Fleet, name: str, requires: str) -> Judgement:
    """Whether what runs of the service meets the requirement.

    Of one outside of the fleet nothing is known but what it answered those who need it.
    """
    service = fleet.services[name]
    found = list(_running(service, requires))
    if service.is_outside:
        found = [judge_version(requires, version) for version in answers_of(fleet, name)]
    return _conclusion(found) if found else Judgement(None, "nobody knows which version runs")


def answers_of(fleet: Fleet, name: str) -> list[str]:
    """The versions that a service answers those who need it."""
    return newest_first(
        {
            stated.version
            for _, _, need in fleet.needs()
            if need.service == name
            for stated in need.stated
            if stated.is_up
        }
    )


@lru_cache(_REMEMBERED)
def judge_version(requires: str, version: str) -> Judgement:
    """Whether this version meets the requirement."""
    requirement = read_requirement(requires)
    if requirement is None:
        return Judgement(None, f"the requirement '{requires[:80]}' cannot be read")
    return requirement.judge(version)


@lru_cache(_REMEMBERED)
def read_requirement(text: str) -> Requirement | None:
    """The requirement, or None where this sidecar cannot read it: a newer one may have said it."""
    try:
        return parse_requirement(text)
    except VersionError:
        return None


def overall(holds: Iterable[bool | None]) -> bool | None:
    """False where one is, else None (not known) where one is, else True."""
    found = set(holds)
    return False if False in found else (None if None in found else True)


def _running(service: Service, requires: str) -> Iterable[Judgement]:
    """What each version that runs means, and each replica of which nobody knows what it runs."""
    for running in service.running:
        judgement = judge_version(requires, running.version)
        is_shared = service.is_mixed and not judgement.holds
        share = f" ({len(running.replicas)} of {service.replicas})" if is_shared else ""
        if judgement.holds and running.contradicted and requires != ANY:
            yield Judgement(
                None,
                f"{replicas(running.contradicted)} of {service.name} {_say(running.contradicted)} "
                f"another version than {running.version}",
            )
        yield Judgement(judgement.holds, judgement.why + share)
    if silent := len(service.silent):
        verb = "does" if silent == 1 else "do"
        yield Judgement(None, f"{replicas(silent)} of {service.name} {verb} not answer")


def _answered(stated: StatedNeed, requires: str) -> Judgement:
    """What the answer that one replica got means."""
    judgement = judge_version(requires, stated.version)
    if stated.is_satisfied:
        return judgement if judgement.holds else Judgement(True, "its users are satisfied")
    if not stated.is_up:
        last = "" if stated.version == UNKNOWN else f"; the last answer was {stated.version}"
        return Judgement(None, f"it does not answer who needs it{last}")
    return (
        Judgement(None, "it is not ready itself, or contradicts itself")
        if judgement.holds
        else judgement
    )


def _conclusion(found: Iterable[Judgement]) -> Judgement:
    """The worst of what was found, with its reason, or the first where all is well."""
    said = list(found)
    for wanted in (False, None):
        for judgement in said:
            if judgement.holds is wanted:
                return judgement
    return said[0]


def replicas(count: int) -> str:
    """``1 replica``, ``3 replicas``."""
    return f"{count:,} replica" if count == 1 else f"{count:,} replicas"


def _say(count: int) -> str:
    return "says" if count == 1 else "say"
