"""The services of a fleet: which versions of each run, on how many replicas, and what they need.

Puts the instances of ``fleet.instances`` together and finds out whom each need means: a dependency
is called by its user as its user likes, and says itself who it is. Whether a need is met is judged
by ``fleet.needs``. Pure; called by the command line and the console of a fleet.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from sidecar.errors import VersionError
from sidecar.fleet.instances import Instance, StatedNeed, read_instances
from sidecar.fleet.source import Current, SilentTarget, printable
from sidecar.versions.stamp import UNKNOWN
from sidecar.versions.version import parse_version


@dataclass(frozen=True, slots=True)
class Need:
    """What the replicas of one version of a service need of another.

    ``service``: who is meant; ``dependency``: what the user calls it. ``stated``: by each replica.
    ``is_certain``: whether it is known who is meant. False = no service of the fleet has the name
    that it says or that its user gives it, and it may be one of them all the same.
    """

    service: str
    dependency: str
    requires: str
    stated: tuple[StatedNeed, ...]
    is_certain: bool

    @property
    def name(self) -> str:
        """The service, and the user's name for it where that is another."""
        alias = "" if self.dependency == self.service else f" (called {self.dependency})"
        return f"{self.service}{alias}"


@dataclass(frozen=True, slots=True)
class Running:
    """One version of a service, and the replicas that run it."""

    version: str
    replicas: tuple[Instance, ...]
    needs: tuple[Need, ...]

    @property
    def commits(self) -> tuple[str, ...]:
        """One, where a version is built once; ``unknown`` is left out."""
        commits = {replica.version.commit for replica in self.replicas}
        return tuple(sorted(commits - {UNKNOWN}))

    @property
    def contradicted(self) -> int:
        """How many replicas' applications say another version than this."""
        return sum(replica.is_verified is False for replica in self.replicas)

    @property
    def is_verified(self) -> bool | None:
        """Whether every application confirms the version; None where one says nothing."""
        if self.contradicted:
            return False
        return True if all(replica.is_verified for replica in self.replicas) else None


@dataclass(frozen=True, slots=True)
class Service:
    """``running``: the newest version first. ``silent``: replicas that do not answer, so that
    nobody knows what they run."""

    name: str
    running: tuple[Running, ...] = ()
    silent: tuple[SilentTarget, ...] = ()

    @property
    def is_outside(self) -> bool:
        """Whether others need it and no replica of it is in the fleet."""
        return not self.running and not self.silent

    @property
    def is_mixed(self) -> bool:
        """Whether more than one version runs, as during a rollout."""
        return len(self.running) > 1

    @property
    def replicas(self) -> int:
        """How many answer."""
        return sum(len(running.replicas) for running in self.running)

    def may_be(self, need: Need) -> bool:
        """Whether a replica may have given one of the answers to a need of which it is not certain
        who is meant."""
        answers = {each.version for each in need.stated}
        return (
            bool(self.silent)
            or UNKNOWN in answers
            or any(running.contradicted for running in self.running)
            or not {_place(running.version) for running in self.running}.isdisjoint(
                map(_place, answers)
            )
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """``services`` are in the order of their names, those outside of it that are needed too.
    ``silent``: every target that does not answer, also one that never said which service it is."""

    asked_at: float
    services: Mapping[str, Service]
    silent: tuple[SilentTarget, ...]

    @property
    def deployed(self) -> tuple[str, ...]:
        """The names of those that are in the fleet."""
        return tuple(name for name, each in self.services.items() if not each.is_outside)

    def needs(self) -> Iterable[tuple[Service, Running, Need]]:
        """Every need, with who has it."""
        for service in self.services.values():
            for running in service.running:
                for need in running.needs:
                    yield service, running, need

    def needed_by_name(self) -> Mapping[str, Collection[str]]:
        """Who needs whom, whatever the version."""
        needed: dict[str, set[str]] = {name: set() for name in self.services}
        for service, _, need in self.needs():
            needed[service.name].add(need.service)
        return needed

    def resolve(self, dependency: str, user: str) -> str | None:
        """The service that ``user`` calls so; None where it is not known or not one alone."""
        names = list(self.needs())
        own = {
            need.service
            for who, _, need in names
            if (who.name, need.dependency) == (user, dependency)
        }
        if len(own) == 1:
            return own.pop()
        if dependency in self.services:
            return dependency
        others = {need.service for _, _, need in names if need.dependency == dependency}
        return others.pop() if len(others) == 1 else None


def build_fleet(current: Current) -> Fleet:
    """The fleet, from what its replicas say."""
    replicas = read_instances(current)
    all_silent = tuple(map(_shown, current.silent))
    known = {target.last_service for target in all_silent if target.last_service}
    meaning = _Meaning(replicas, known)
    of: dict[str, list[Instance]] = defaultdict(list)
    silent: dict[str, list[SilentTarget]] = defaultdict(list)
    for replica in replicas:
        of[replica.service].append(replica)
    for target in all_silent:
        if target.last_service:
            silent[target.last_service].append(target)
    running = {name: _running(of_one, meaning) for name, of_one in of.items()}
    needed = {need.service for each in running.values() for one in each for need in one.needs}
    names = sorted({*running, *silent, *needed})
    return Fleet(
        asked_at=current.asked_at,
        services={
            name: Service(name, running.get(name, ()), tuple(silent[name])) for name in names
        },
        silent=all_silent,
    )


def _shown(target: SilentTarget) -> SilentTarget:
    """As its metrics would be shown, if it answered."""
    return replace(
        target,
        job=printable(target.job),
        instance=printable(target.instance),
        last_service=printable(target.last_service),
    )


class _Meaning:
    """Whom the users' names for what they need mean."""

    def __init__(self, replicas: Collection[Instance], silent: Collection[str]) -> None:
        self._names = {*silent, *(replica.service for replica in replicas)}
        self._said: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._running: dict[tuple[object, ...], set[str]] = defaultdict(set)
        self._contradicted: set[str] = set()
        for replica in replicas:
            self._running[_place(replica.version.version)].add(replica.service)
            if replica.is_verified is False:
                self._contradicted.add(replica.service)
            for need in replica.needs:
                if need.answerer:
                    self._said[replica.service, need.dependency].add(need.answerer)

    def of(self, user: str, need: StatedNeed) -> tuple[str, bool]:
        """The service, and whether that is certain.

        Its own word counts most, or its word to another replica of the same user; then a service
        that has the user's name for it. Where the fleet has neither name, it is outside, unless a
        service runs the version that it answers: an application says another name than its sidecar,
        or none.
        """
        said = {need.answerer} if need.answerer else self._said[user, need.dependency]
        own = next(iter(said)) if len(said) == 1 else ""
        for name in (own, need.dependency):
            if name in self._names:
                return name, True
        return own or need.dependency, own == need.dependency or not self._may_be_one(user, need)

    def _may_be_one(self, user: str, need: StatedNeed) -> bool:
        """Whether another service of the fleet may have given its answer. One that never answered,
        or with no version, may be any; what an application says that contradicts its image is not
        known either."""
        if need.version == UNKNOWN:
            return True
        running = self._running.get(_place(need.version), set())
        return bool((running | self._contradicted) - {user})


@lru_cache(4096)
def _place(version: str) -> tuple[object, ...]:
    """What the texts of one version have in common; a fleet has few, said by many replicas."""
    try:
        parsed = parse_version(version)
    except VersionError:
        return (version,)
    return parsed.series, parsed.rank


def _running(replicas: Iterable[Instance], meaning: _Meaning) -> tuple[Running, ...]:
    of: dict[str, list[Instance]] = defaultdict(list)
    for replica in replicas:
        of[replica.version.version].append(replica)
    return tuple(
        Running(version, tuple(of[version]), _needs(of[version], meaning))
        for version in newest_first(of)
    )


def _needs(replicas: Iterable[Instance], meaning: _Meaning) -> tuple[Need, ...]:
    stated: dict[tuple[str, str, str, bool], list[StatedNeed]] = defaultdict(list)
    for replica in replicas:
        for need in replica.needs:
            service, is_certain = meaning.of(replica.service, need)
            stated[service, need.dependency, need.requires, is_certain].append(need)
    return tuple(
        Need(service, dependency, requires, tuple(stated[key]), is_certain)
        for key in sorted(stated)
        for service, dependency, requires, is_certain in [key]
    )


def newest_first(versions: Iterable[str]) -> list[str]:
    """The versions; those that have no order come last, by their letters."""
    ordered: list[tuple[object, ...]] = []
    others: list[str] = []
    for text in versions:
        try:
            version = parse_version(text)
        except VersionError:
            others.append(text)
        else:
            ordered.append((version.series, version.rank, text))
    return [str(entry[-1]) for entry in sorted(ordered, reverse=True)] + sorted(others)
