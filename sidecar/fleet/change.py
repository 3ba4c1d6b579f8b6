"""May a version of a service be deployed now, may it come back: who would be left unsatisfied?

Two questions with one answer. Everybody who is deployed and needs the service must accept the
version, and what the version needs must run already. What nobody knows, a replica that does not
answer above all, makes no yes. Pure; called by ``cli.fleet``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.fleet.going_first import Step, needed_first, users_first
from sidecar.fleet.needs import judge_running, judge_version, overall
from sidecar.fleet.services import Fleet, Running, Service
from sidecar.fleet.source import SilentTarget
from sidecar.fleet.status import silent_object
from sidecar.versions.requirement import Judgement


@dataclass(frozen=True, slots=True)
class Claim:
    """One need, and whether it would be met.

    ``user`` runs ``version`` on so many ``replicas`` (0 = not yet), and ``needed`` is a service.
    """

    user: str
    version: str
    replicas: int
    needed: str
    requires: str
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Told:
    """What a version is said to need: a service, and the short form of a requirement."""

    service: str
    requires: str


@dataclass(frozen=True, slots=True)
class Change:
    """The answer.

    ``users``: every deployed version that needs the service. ``needs``: what the version itself
    needs, None = not known; ``as_of``: the running version that said so, where nobody told.
    ``silent``: targets that do not answer and may need the service. ``first``: what has to go
    before it, in this order. ``is_return``: to a version that ran before, beside what it needs.
    """

    service: str
    version: str
    users: tuple[Claim, ...]
    needs: tuple[Claim, ...] | None
    as_of: str | None
    silent: tuple[SilentTarget, ...]
    first: tuple[Step, ...]
    is_return: bool

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Of the users, and of the version itself."""
        return (*self.users, *(self.needs or ()))

    @property
    def is_allowed(self) -> bool | None:
        """Whether everybody would be satisfied; None where nobody can tell."""
        holds = [claim.judgement.holds for claim in self.claims]
        is_open = bool(self.silent) or (self.needs is None and not self.is_return)
        return overall([*holds, *([None] if is_open else [])])

    def document(self) -> dict[str, Any]:
        """All of it as JSON-able values."""
        return {
            "service": self.service,
            "version": self.version,
            "allowed": self.is_allowed,
            "users": [_object(claim) for claim in self.users],
            "needs": None if self.needs is None else [_object(claim) for claim in self.needs],
            "needs_as_of": self.as_of,
            "silent": [silent_object(target) for target in self.silent],
            "first": [
                {"service": step.service, "move": str(step.move), "why": step.why}
                for step in self.first
            ],
        }


def judge_rollback(
    fleet: Fleet, service: str, version: str, told: Sequence[Told] | None = None
) -> Change:
    """The answer for a return. What the version needs is known where it runs already."""
    as_of = version if told is None and _find(fleet, service, version) else None
    return _judge(fleet, service, version, told, as_of, is_return=True)


def judge_deployment(
    fleet: Fleet, service: str, version: str, told: Sequence[Told] | None = None
) -> Change:
    """The answer for a new version. Where nobody ``told`` what it needs, it is taken to need what
    its replicas say, if there are any, or else the newest version that runs. Where none answers
    either, nobody can tell."""
    as_of = None
    if told is None and (found := fleet.services.get(service, Service(service)).running):
        as_of = version if _find(fleet, service, version) else found[0].version
    return _judge(fleet, service, version, told, as_of, is_return=False)


def _judge(
    fleet: Fleet,
    service: str,
    version: str,
    told: Sequence[Told] | None,
    as_of: str | None,
    *,
    is_return: bool,
) -> Change:
    if as_of is not None and (running := _find(fleet, service, as_of)):
        told = [Told(need.service, need.requires) for need in running.needs]
    needs = None if told is None else tuple(_claim(fleet, service, version, each) for each in told)
    users = tuple(_users(fleet, service, version))
    refusing = {(claim.user, claim.version) for claim in users if claim.judgement.holds is False}
    missing = [claim for claim in needs or () if claim.judgement.holds is False]
    return Change(
        service=service,
        version=version,
        users=users,
        needs=needs,
        as_of=as_of,
        silent=tuple(each for each in fleet.silent if each.last_service != service),
        first=(
            *needed_first(fleet, {each.needed: each.judgement.why for each in missing}),
            *users_first(fleet, service, version, refusing),
        ),
        is_return=is_return,
    )


def _object(claim: Claim) -> dict[str, Any]:
    return {
        "service": claim.user,
        "version": claim.version,
        "replicas": claim.replicas,
        "needs": claim.needed,
        "requires": claim.requires,
        "satisfied": claim.judgement.holds,
        "why": claim.judgement.why,
    }


def _find(fleet: Fleet, service: str, version: str) -> Running | None:
    running = fleet.services.get(service, Service(service)).running
    return next((each for each in running if each.version == version), None)


def _claim(fleet: Fleet, user: str, version: str, told: Told) -> Claim:
    judgement = judge_running(fleet, told.service, told.requires)
    return Claim(user, version, 0, told.service, told.requires, judgement)


def _users(fleet: Fleet, service: str, version: str) -> Iterator[Claim]:
    """Who needs the service; also who may mean it, where that could make a difference."""
    meant = fleet.services.get(service, Service(service))
    for user, running, need in fleet.needs():
        judgement = judge_version(need.requires, version)
        if need.service != service:
            is_other = need.is_certain or user.name == service or not meant.may_be(need)
            if judgement.holds or is_other:
                continue
            why = f"nobody knows whether what it calls {need.dependency} is {service}"
            judgement = Judgement(None, why)
        many = len(need.stated)
        yield Claim(user.name, running.version, many, service, need.requires, judgement)
