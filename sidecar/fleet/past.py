"""What became of each replica in a window of time, as a Prometheus remembers it.

Replicas that were scaled down, restarted, or not scraped for a while are in its store; who only
asks who is there now would miss what they handed out. The long series are looked at by range
functions on the server. Raw samples are fetched only of replicas that restarted or were silent, and
of each run that is over the samples of its last scrape.

``watched_since`` begins with the first scrape of a replica that hands out tokens. Where some were
scraped before the window already, everything in the window was watched; what ended before the first
scrape that is remembered, nobody knows, whatever is stated.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Final

from sidecar.errors import FleetError
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.prometheus import (
    KnownTarget,
    Prometheus,
    Series,
    check_fleets,
    matchers,
    why_no_sidecar,
)
from sidecar.fleet.replicas import (
    BEGINNING,
    CLOCK,
    ISSUING,
    KEYS,
    METRICS,
    key_ids,
    read_replica,
)
from sidecar.fleet.source import Sample, label
from sidecar.rotation.history import History
from sidecar.rotation.moment import format_moment, format_span
from sidecar.rotation.replica import Interval, Replica, watched_since

#: The labels that tell one target from another, as Prometheus and Kubernetes name them.
_IDENTITY: Final = ("job", "instance", "namespace", "pod")
#: Where nobody says how often targets are scraped.
_USUAL_INTERVAL_S: Final = 30.0
#: A round of scrapes that comes so many intervals late was missed.
_LATE: Final = 2.0
#: After so many intervals everybody who was there has been scraped.
_SETTLED: Final = 3.0
#: Prometheus answers a range query with this many points at most, per series.
_MAX_POINTS: Final = 10_000
#: How far back an instant query looks for a sample, unless Prometheus was told otherwise.
_LOOKBACK_S: Final = 300.0

#: The time in which the distance between two scrapes is measured, if nobody tells it.
_RECENT_S: Final = 600.0

_Identity = tuple[str, ...]


@dataclass(slots=True)
class _Life:
    """What is known of one target. ``runs``: of each, its beginning and its first and last scrape.

    ``is_up``: whether the newest scrape succeeded; None: discovery does not know it any more.
    """

    labels: Mapping[str, str]
    name: str = ""
    first_up: float = math.inf
    last_up: float = -math.inf
    is_up: bool | None = None
    runs: list[tuple[float, float]] = field(default_factory=list)  # first and last scrape
    gaps: tuple[Interval, ...] = ()
    replicas: list[Replica] = field(default_factory=list)


async def load_evidence(
    source: Prometheus, window_s: float, *, stated_watch: float | None = None
) -> Evidence:
    """The evidence of the window that ends now.

    ``stated_watch``: unix seconds from which on, so the caller, every service that hands out tokens
    was watched. Raises :class:`FleetError`.
    """
    return await _Past(source, window_s).load(stated_watch)


class _Past:
    """The questions of one report, all about the same moment."""

    def __init__(self, source: Prometheus, window_s: float) -> None:
        self.source = source
        self.window_s = window_s
        self.now = math.nan
        self.oldest = math.nan  # the first scrape of a sidecar
        self.interval_s = _USUAL_INTERVAL_S
        self.window = ""  # as a PromQL subquery
        self.lives: dict[_Identity, _Life] = {}
        self.jobs: set[str] = set()
        self.relabelled: set[_Identity] = set()

    async def load(self, stated_watch: float | None) -> Evidence:
        self.now = await self.source.now()
        targets = await self.source.targets()
        await self._choose_step(targets)
        samples = await self._look_over(targets)
        await self._tell_runs_apart()
        self._name_all()
        await self._read_runs(samples)
        history = self._enter_all(await self._outages())
        ids = key_ids([*samples, *await self._keys_of_the_window()])
        began, held_since = await asyncio.gather(self._watching_began(), self._held_since())
        fleet = history.fleet(
            ids,
            self.now,
            watched_since(
                self.now if began is None else began,
                window_start=max(self.now - self.window_s, self.oldest),
                stated=stated_watch,
            ),
            held_since,
        )
        return Evidence(
            fleet=fleet,
            source=self.source.name,
            key_ids=ids,
            clocks_s=await self._clocks(),
            has_history=True,
            interval_s=self.interval_s,
        )

    # --- the window, and who was in it -------------------------------------------------------

    async def _choose_step(self, targets: list[KnownTarget] | None) -> None:
        """Find the scrape interval, and leave out the part of the window that nothing is in."""
        whole = f"{self.window_s:.0f}s"
        beginning = self.source.selector(BEGINNING)
        oldest, recent, up, rounds = await asyncio.gather(
            self.source.vector(
                f"min(min_over_time(timestamp({beginning})[{whole}:{_LOOKBACK_S:.0f}s]))"
                f" or min(timestamp({beginning}))",
                self.now,
            ),
            self.source.vector(f"last_over_time({beginning}[{_RECENT_S:.0f}s])", self.now),
            self.source.vector(self.source.selector("up"), self.now),
            self.source.raw(beginning, _RECENT_S, self.now),
        )
        if not oldest and not recent:
            await self._refuse_emptiness(up)
        if oldest:
            self.window_s = min(self.window_s, self.now - oldest[0].value + 2 * _LOOKBACK_S)
            self.window_s = math.ceil(self.window_s)
        self.jobs = {sample.labels["job"] for sample in recent}
        known = [
            target.interval_s
            for target in targets or ()
            if target.interval_s and target.labels.get("job") in self.jobs
        ]
        distances = [
            after - before
            for series in rounds
            for (before, _), (after, _) in pairwise(series.samples)
        ]
        if known:
            self.interval_s = max(known)
        elif distances:
            self.interval_s = median(distances)
        if self.interval_s > _LOOKBACK_S / 2:
            raise FleetError(
                f"{self.source.name} scrapes the sidecars only every {self.interval_s:.0f} s; "
                "between two scrapes it forgets who is there. Let it scrape every 2 minutes or "
                "more often."
            )
        self.window = f"[{self.window_s:.0f}s:{max(round(self.interval_s * 500), 1)}ms]"

    async def _refuse_emptiness(self, up: list[Sample]) -> None:
        span = format_span(self.window_s)
        selector = self.source.selector(BEGINNING)
        before = await self.source.vector(
            f"max(max_over_time(timestamp({selector})[90d:1h]))", self.now
        )
        if before:
            at = format_moment(before[0].value)
            raise FleetError(
                f"{self.source.name} has heard no sidecar in the last {span}, the last one at {at};"
                " check that it still scrapes them, or ask for a longer --window."
            )
        raise FleetError(f"{self.source.name} {await why_no_sidecar(self.source, up, span)}")

    async def _look_over(self, targets: list[KnownTarget] | None) -> list[Sample]:
        """Who was there, from when to when; the samples of those who answer now."""
        up, beginning = self.source.selector("up"), self.source.selector(BEGINNING)
        names = "|".join(sorted(METRICS))
        ask, now, window = self.source.vector, self.now, self.window
        first_up, last_up, is_up, first, last, samples = await asyncio.gather(
            ask(f"min_over_time(timestamp({up}){window})", now),
            ask(f"max_over_time(timestamp({up}){window})", now),
            ask(up, now),
            ask(f"min_over_time(timestamp({beginning}){window})", now),
            ask(f"max_over_time(timestamp({beginning}){window})", now),
            ask(self.source.selector("", f'__name__=~"{names}"'), now),
        )
        check_fleets(self.source, last)
        begun: dict[_Identity, float] = {}
        for sample in first:
            identity = _identity(sample.labels)
            # Labels that came later make another series of the same target.
            self.relabelled |= {identity} if identity in begun else set()
            begun[identity] = min(begun.get(identity, math.inf), sample.value)
        self.oldest = min(begun.values(), default=self.now)
        for sample in last:
            identity = _identity(sample.labels)
            life = self.lives.setdefault(identity, _Life(sample.labels))
            ends = max((sample.value, *(end for _, end in life.runs)))
            life.runs = [(begun.get(identity, ends), ends)]
        self.jobs |= {identity[0] for identity in self.lives}
        answering = {_identity(s.labels): s for s in samples if s.name == BEGINNING}
        for sample in first_up:
            identity = _identity(sample.labels)
            if identity[0] in self.jobs:
                life = self.lives.setdefault(identity, _Life(sample.labels))
                life.first_up = min(life.first_up, sample.value)
        for sample in last_up:
            identity = _identity(sample.labels)
            if identity in self.lives:
                life = self.lives[identity]
                life.last_up = max(life.last_up, sample.value)
        for sample in is_up:
            identity = _identity(sample.labels)
            if identity in self.lives:
                life = self.lives[identity]
                life.is_up = sample.value == 1 or bool(life.is_up)
        for target in targets or ():
            identity = _identity(target.labels)
            if not target.is_scraped and identity[0] in self.jobs:
                life = self.lives.setdefault(identity, _Life(target.labels))
                life.is_up = life.is_up or False
        # What answers and never was a sidecar is something else in the same job.
        for identity, life in list(self.lives.items()):
            if not life.runs and life.is_up:
                del self.lives[identity]
        return [sample for sample in samples if _identity(sample.labels) in answering]

    def _name_all(self) -> None:
        """Two that are there at once have two names; who came after another may have its name."""
        namespaces = {life.labels.get("namespace") for life in self.lives.values()}
        there: dict[str, set[str]] = defaultdict(set)
        for life in self.lives.values():
            life.name = _name(life.labels, len(namespaces) > 1)
            if life.is_up is not None:
                there[life.name].add(life.labels.get("instance", ""))
        for life in self.lives.values():
            if len(there[life.name]) > 1:
                life.name += f" ({life.labels.get('instance', '')})"

    # --- runs --------------------------------------------------------------------------------

    async def _tell_runs_apart(self) -> None:
        """Find where one target was several runs, and when it was silent."""
        beginning, up = self.source.selector(BEGINNING), self.source.selector("up")
        changed, tried, succeeded = await asyncio.gather(
            self.source.vector(f"changes({beginning}[{self.window_s:.0f}s]) > 0", self.now),
            self.source.vector(f"count_over_time({up}[{self.window_s:.0f}s])", self.now),
            self.source.vector(f"sum_over_time({up}[{self.window_s:.0f}s])", self.now),
        )
        restarted = {_identity(sample.labels) for sample in changed}
        good = {tuple(sorted(sample.labels.items())): sample.value for sample in succeeded}
        failed = {
            _identity(sample.labels)
            for sample in tried
            if good.get(tuple(sorted(sample.labels.items()))) != sample.value
        }
        await asyncio.gather(
            *(self._split(identity) for identity in {*restarted, *self.relabelled}),
            *(self._find_gaps(identity) for identity in failed if identity in self.lives),
        )

    async def _split(self, identity: _Identity) -> None:
        series = await self._raw(BEGINNING, identity)
        runs: list[tuple[float, float]] = []
        begun = math.nan
        for at, value in _merged(series):
            if value == begun:
                runs[-1] = (runs[-1][0], at)
            else:
                runs.append((at, at))
                begun = value
        if runs and identity in self.lives:
            self.lives[identity].runs = runs

    async def _find_gaps(self, identity: _Identity) -> None:
        gaps: list[Interval] = []
        since: float | None = None
        for at, value in _merged(await self._raw("up", identity)):
            if value == 0:
                since = at if since is None else since
            elif since is not None:
                gaps.append(Interval(since, at))
                since = None
        if since is not None:
            gaps.append(Interval(since, self.lives[identity].last_up))
        self.lives[identity].gaps = tuple(gaps)

    async def _raw(self, name: str, identity: _Identity) -> list[Series]:
        labels = dict(zip(_IDENTITY, identity, strict=True))
        selector = self.source.selector(name, *matchers(labels, _IDENTITY))
        return await self.source.raw(selector, self.window_s, self.now)

    async def _read_runs(self, samples: list[Sample]) -> None:
        """The replica of each run, as its last scrape showed it."""
        current: dict[_Identity, list[Sample]] = {}
        for sample in samples:
            current.setdefault(_identity(sample.labels), []).append(sample)
        await asyncio.gather(
            *(
                self._read(identity, life, current.get(identity))
                for identity, life in self.lives.items()
            )
        )

    async def _read(self, identity: _Identity, life: _Life, current: list[Sample] | None) -> None:
        names = "|".join(sorted(METRICS))
        own = matchers(dict(zip(_IDENTITY, identity, strict=True)), _IDENTITY)
        selector = self.source.selector("", f'__name__=~"{names}"', *own)
        for number, (first, last) in enumerate(life.runs):
            is_newest = number == len(life.runs) - 1
            seen = current if is_newest and current else await self.source.vector(selector, last)
            replica = read_replica(seen, life.name, last)
            if replica is not None:
                gaps = tuple(gap for gap in life.gaps if first <= gap.start and gap.end <= last)
                life.replicas.append(replace(replica, gaps=gaps))

    # --- the history -------------------------------------------------------------------------

    def _enter_all(self, outages: list[Interval]) -> History:
        history = History(self.interval_s)
        for outage in outages:
            history.nothing_was_scraped(outage.start, outage.end)
        by_name: dict[str, list[_Life]] = defaultdict(list)
        for life in self.lives.values():
            by_name[life.name].append(life)
        for name, lives in by_name.items():
            self._enter(history, name, lives)
        return history

    def _enter(self, history: History, name: str, lives: list[_Life]) -> None:
        """One after the other, as they were there: a StatefulSet's pod comes back at another
        address."""
        newest = max(lives, key=lambda life: (life.is_up is not None, life.last_up))
        service, heard_at = "", newest.first_up - self.interval_s
        replicas = [replica for life in lives for replica in life.replicas]
        for replica in sorted(replicas, key=lambda replica: replica.scraped_at):
            history.heard(replica)
            service, heard_at = replica.service, replica.scraped_at
        was_silent = math.isinf(newest.last_up) or newest.last_up > heard_at + self.interval_s / 2
        if newest.is_up is not True and was_silent:
            since = self.now if math.isinf(heard_at) else heard_at + self.interval_s
            history.silent(service, name, since)
        if newest.is_up is None:
            history.gone(name, min(newest.last_up + self.interval_s, self.now))

    async def _outages(self) -> list[Interval]:
        """When nobody was scraped at all."""
        selector = f"max(timestamp({self.source.selector('up')}))"
        points: list[float] = []
        start, step = self.now - self.window_s, self.interval_s
        while start <= self.now:
            end = min(start + _MAX_POINTS * step, self.now)
            points += [at for _, at in await self.source.range(selector, start, end, step)]
            start = end + step
        rounds = sorted({*points})
        return [
            Interval(before, after)
            for before, after in pairwise(rounds)
            if after - before > _LATE * self.interval_s
        ]

    async def _watching_began(self) -> float | None:
        """The first scrape of a replica that hands out tokens; None = there is no such replica."""
        selector = self.source.selector(ISSUING)
        first, before = await asyncio.gather(
            self.source.vector(f"min(min_over_time(timestamp({selector}){self.window}))", self.now),
            self.source.vector(f"count({selector})", self.now - self.window_s),
        )
        if before:
            return -math.inf
        return first[0].value if first else None

    async def _held_since(self) -> dict[str, float]:
        """When each key was first held, of those that nobody held when the window began."""
        selector = self.source.selector(KEYS)
        found = await self.source.vector(
            f"min by (key, exported_key) (min_over_time(timestamp({selector}){self.window}))",
            self.now,
        )
        first: dict[str, float] = {}
        for sample in found:
            key_id = label(sample.labels, "key")
            first[key_id] = min(first.get(key_id, math.inf), sample.value)
        # Whoever was there when the window began may have held a key before, unseen.
        settled_at = self.oldest + _SETTLED * self.interval_s
        return {key_id: at for key_id, at in first.items() if at > settled_at}

    async def _keys_of_the_window(self) -> list[Sample]:
        selector = self.source.selector(KEYS)
        return await self.source.vector(
            f"group by (key, exported_key) (last_over_time({selector}[{self.window_s:.0f}s]))",
            self.now,
        )

    async def _clocks(self) -> dict[str, float]:
        selector = self.source.selector(CLOCK)
        found = await self.source.vector(f"{selector} - timestamp({selector})", self.now)
        ahead = {_identity(sample.labels): sample.value for sample in found}
        return {
            life.replicas[-1].place: ahead[identity]
            for identity, life in self.lives.items()
            if life.replicas and identity in ahead
        }


def _identity(labels: Mapping[str, str]) -> _Identity:
    return tuple(labels.get(name, "") for name in _IDENTITY)


def _merged(series: Iterable[Series]) -> list[tuple[float, float]]:
    return sorted(sample for each in series for sample in each.samples)


def _name(labels: Mapping[str, str], has_namespaces: bool) -> str:
    """How people find it: the pod, or the address where there is none."""
    pod = labels.get("pod")
    if not pod:
        return labels.get("instance", "")
    return f"{labels.get('namespace', '')}/{pod}" if has_namespaces else pod
