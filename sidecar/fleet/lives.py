"""The life of each target in a window: when it was there, when it was silent, and its runs.

One target is several runs where its sidecar lost its memory, or where another pod came to be behind
its address. Long series are looked at by range functions on the server; raw samples are fetched of
those alone that restarted or were silent, and of each run that is over the samples of its last
scrape. Called by ``past``.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sidecar.fleet.prometheus import KnownTarget, Prometheus, Series, check_fleets, matchers
from sidecar.fleet.replicas import BEGINNING, ISSUING, METRICS, read_replica
from sidecar.fleet.source import Sample
from sidecar.fleet.window import Window
from sidecar.rotation.evidence import Watch
from sidecar.rotation.replica import Interval, Replica

#: The labels that tell one target from another, as Prometheus and Kubernetes name them.
_LABELS: Final = ("job", "instance", "namespace", "pod")
_NAMES: Final = "|".join(sorted(METRICS))
_METRICS: Final = f'__name__=~"{_NAMES}"'

Identity = tuple[str, ...]


@dataclass(slots=True)
class Life:
    """What is known of one target. Moments are unix seconds.

    ``runs``: the first and the last scrape of each. ``is_up``: whether the newest scrape succeeded;
    None: discovery does not know it any more. ``replicas``: what each run's last scrape told.
    """

    labels: Mapping[str, str]
    name: str = ""
    first_up: float = math.inf
    last_up: float = -math.inf
    is_up: bool | None = None
    runs: list[tuple[float, float]] = field(default_factory=list)
    gaps: tuple[Interval, ...] = ()
    replicas: list[Replica] = field(default_factory=list)


def identity_of(labels: Mapping[str, str]) -> Identity:
    """What tells this target from every other."""
    return tuple(labels.get(name, "") for name in _LABELS)


class Lives:
    """Every target that was there in the window. ``oldest``: the first scrape of a sidecar.
    ``current``: the samples of those that answer now. ``others``: jobs without any sidecar of which
    a target does not answer."""

    def __init__(self, source: Prometheus, window: Window) -> None:
        self.by_identity: dict[Identity, Life] = {}
        self.current: dict[Identity, list[Sample]] = {}
        self.oldest = window.now
        self.others: set[str] = set()
        self._source = source
        self._window = window
        self._relabelled: set[Identity] = set()
        self._watched_at: dict[Identity, float] = {}

    async def load(self, targets: list[KnownTarget] | None) -> None:
        """Ask for everything. Raises :class:`sidecar.errors.FleetError`."""
        await self._look_over(targets)
        await self._tell_runs_apart()
        self._name_all()
        await asyncio.gather(
            *(self._read(identity, life) for identity, life in self.by_identity.items())
        )

    # --- who was there -----------------------------------------------------------------------

    async def _look_over(self, targets: list[KnownTarget] | None) -> None:
        up, beginning = self._source.selector("up"), self._source.selector(BEGINNING)
        ask, when = self._source.vector, self._source.moments
        now, steps = self._window.now, self._window.steps
        first_up, last_up, is_up, first, last, samples, issuers = await asyncio.gather(
            when(f"min_over_time(timestamp({up}){steps})", now),
            when(f"max_over_time(timestamp({up}){steps})", now),
            ask(up, now),
            when(f"min_over_time(timestamp({beginning}){steps})", now),
            when(f"max_over_time(timestamp({beginning}){steps})", now),
            ask(self._source.selector("", _METRICS), now),
            when(f"max_over_time(timestamp({self._source.selector(ISSUING)}){steps})", now),
        )
        self._watched_at = {identity_of(sample.labels): sample.value for sample in issuers}
        check_fleets(self._source, last)
        self._enter_scrapes(first, last)
        self._enter_attempts(first_up, last_up, is_up)
        self._enter_untried(targets or ())
        self._leave_out_others()
        answering = {identity_of(sample.labels) for sample in samples if sample.name == BEGINNING}
        for sample in samples:
            identity = identity_of(sample.labels)
            if identity in answering:
                self.current.setdefault(identity, []).append(sample)

    def _enter_attempts(
        self, first_up: Sequence[Sample], last_up: Sequence[Sample], is_up: Sequence[Sample]
    ) -> None:
        """When each target was tried, and whether it answers; also those that never did, where a
        sidecar is in their job."""
        jobs = self._jobs()
        for sample in first_up:
            if self._source.match or sample.place[0] in jobs:
                life = self._life(sample.labels)
                life.first_up = min(life.first_up, sample.value)
        for sample, life in self._known(last_up):
            life.last_up = max(life.last_up, sample.value)
        if not self._source.match:
            self.others = {s.place[0] for s in is_up if not s.value and s.place[0] not in jobs}
        for sample, life in self._known(is_up):
            life.is_up = sample.value == 1 or bool(life.is_up)

    def _enter_untried(self, targets: Iterable[KnownTarget]) -> None:
        """What discovery knows and nobody has asked yet is there, and silent."""
        jobs = self._jobs()
        for target in targets:
            if not target.is_scraped and (self._source.match or target.labels.get("job") in jobs):
                life = self._life(target.labels)
                life.is_up = life.is_up or False

    def _leave_out_others(self) -> None:
        """What answers and never was a sidecar is something else in the same job."""
        for identity, life in list(self.by_identity.items()):
            if not life.runs and life.is_up:
                del self.by_identity[identity]

    def _jobs(self) -> set[str]:
        return {identity[0] for identity in self.by_identity}

    def _enter_scrapes(self, first: Sequence[Sample], last: Sequence[Sample]) -> None:
        begun: dict[Identity, float] = {}
        for sample in first:
            identity = identity_of(sample.labels)
            if identity in begun:  # labels that came later make another series of the same target
                self._relabelled.add(identity)
            begun[identity] = min(begun.get(identity, math.inf), sample.value)
        self.oldest = min(begun.values(), default=self._window.now)
        for sample in last:
            life = self._life(sample.labels)
            end = max((sample.value, *(end for _, end in life.runs)))
            life.runs = [(begun.get(identity_of(sample.labels), end), end)]

    def _life(self, labels: Mapping[str, str]) -> Life:
        return self.by_identity.setdefault(identity_of(labels), Life(labels))

    def _known(self, samples: Iterable[Sample]) -> Iterable[tuple[Sample, Life]]:
        for sample in samples:
            life = self.by_identity.get(identity_of(sample.labels))
            if life is not None:
                yield sample, life

    def _name_all(self) -> None:
        """Two that are there at once have two names; who came after another may have its name."""
        lives = self.by_identity.values()
        namespaces = {life.labels.get("namespace") for life in lives}
        there: dict[str, set[str]] = defaultdict(set)
        for life in lives:
            life.name = _name(life.labels, len(namespaces) > 1)
            if life.is_up is not None:
                there[life.name].add(life.labels.get("instance", ""))
        for life in lives:
            if len(there[life.name]) > 1:
                life.name += f" ({life.labels.get('instance', '')})"

    # --- runs --------------------------------------------------------------------------------

    async def _tell_runs_apart(self) -> None:
        """Find where one target was several runs, and when it was silent."""
        beginning, up = self._source.selector(BEGINNING), self._source.selector("up")
        now, whole = self._window.now, self._window.range
        changed, tried, succeeded = await asyncio.gather(
            self._source.vector(f"changes({beginning}{whole}) > 0", now),
            self._source.vector(f"count_over_time({up}{whole})", now),
            self._source.vector(f"sum_over_time({up}{whole})", now),
        )
        restarted = {identity_of(sample.labels) for sample in changed}
        good = {tuple(sorted(sample.labels.items())): sample.value for sample in succeeded}
        failed = {
            identity_of(sample.labels)
            for sample in tried
            if good.get(tuple(sorted(sample.labels.items()))) != sample.value
        }
        await asyncio.gather(
            *(self._split(each) for each in self._among(restarted | self._relabelled)),
            *(self._find_gaps(each) for each in self._among(failed)),
        )

    def _among(self, identities: Iterable[Identity]) -> list[Identity]:
        return [identity for identity in identities if identity in self.by_identity]

    async def _split(self, identity: Identity) -> None:
        runs: list[tuple[float, float]] = []
        begun = math.nan
        for at, value in await self._raw(BEGINNING, identity):
            if value == begun:
                runs[-1] = (runs[-1][0], at)
            else:
                runs.append((at, at))
                begun = value
        if runs:
            self.by_identity[identity].runs = runs

    async def _find_gaps(self, identity: Identity) -> None:
        gaps: list[Interval] = []
        since: float | None = None
        for at, value in await self._raw("up", identity):
            if value == 0:
                since = at if since is None else since
            elif since is not None:
                gaps.append(Interval(since, at))
                since = None
        life = self.by_identity[identity]
        if since is not None:
            gaps.append(Interval(since, life.last_up))
        life.gaps = tuple(gaps)

    async def _raw(self, name: str, identity: Identity) -> list[tuple[float, float]]:
        """All samples of a metric of one target, in the order of time."""
        selector = self._source.selector(name, *_matchers(identity))
        found = await self._source.raw(selector, self._window.length_s, self._window.now)
        return _merged(found)

    async def _read(self, identity: Identity, life: Life) -> None:
        """The replica of each run, as its last scrape showed it."""
        selector = self._source.selector("", _METRICS, *_matchers(identity))
        current = self.current.get(identity)
        for number, (first, last) in enumerate(life.runs):
            is_newest = number == len(life.runs) - 1
            seen = current if is_newest and current else await self._source.vector(selector, last)
            replica = read_replica(seen, life.name, last)
            if replica is None:  # samples are missing, which is no zero: as if it had been silent
                life.gaps += (Interval(first, last),)
                if is_newest and life.is_up:
                    life.is_up = False
            else:
                gaps = tuple(gap for gap in life.gaps if first <= gap.start and gap.end <= last)
                watch = replica.watch
                if watch is None and self._watched_at.get(identity, -math.inf) >= first:
                    # It was watched once, and goes on handing out tokens for all that is known.
                    watch = Watch(unwatched_until=self._window.now)
                life.replicas.append(replace(replica, gaps=gaps, watch=watch))


def _matchers(identity: Identity) -> list[str]:
    return matchers(dict(zip(_LABELS, identity, strict=True)), _LABELS)


def _merged(series: Iterable[Series]) -> list[tuple[float, float]]:
    return sorted(sample for each in series for sample in each.samples)


def _name(labels: Mapping[str, str], has_namespaces: bool) -> str:
    """How people find it: the pod, or the address where there is none."""
    pod = labels.get("pod")
    if not pod:
        return labels.get("instance", "")
    return f"{labels.get('namespace', '')}/{pod}" if has_namespaces else pod
