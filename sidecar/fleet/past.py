"""What became of each replica in a window of time, as a Prometheus remembers it.

Replicas that were scaled down, restarted, or not scraped for a while are in its store; who only
asks who is there now would miss what they handed out. ``lives`` finds each target's runs; here they
are entered in a :class:`History`, in the order of time, with everything else that a fleet's
evidence is made of.

``watched_since`` begins with the first scrape of a replica that hands out tokens. Where some were
scraped before the window already, everything in the window was watched; what ended before the first
scrape that is remembered, nobody knows, whatever is stated.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from sidecar.fleet.evidence import Evidence
from sidecar.fleet.lives import Life, Lives, identity_of
from sidecar.fleet.prometheus import KnownTarget, Prometheus, matchers
from sidecar.fleet.replicas import CLOCK, ISSUING, KEYS, key_ids
from sidecar.fleet.source import Sample, label
from sidecar.fleet.window import Window, find_window
from sidecar.rotation.history import History
from sidecar.rotation.replica import RUN_ON_S, Fleet, Interval, Replica, watched_since

#: A round of scrapes that comes so many intervals late was missed.
_LATE: Final = 2.0
#: After so many intervals everybody who was there has been scraped.
_SETTLED: Final = 3.0
#: Prometheus answers a range query with this many points at most, per series.
_MAX_POINTS: Final = 10_000
#: More names than these are left out.
_SHOWN: Final = 3


async def load_evidence(
    source: Prometheus, window_s: float, *, stated_watch: float | None = None
) -> Evidence:
    """The evidence of the window that ends now.

    ``stated_watch``: unix seconds from which on, so the caller, every service that hands out tokens
    was watched. Raises :class:`sidecar.errors.FleetError`.
    """
    targets = await source.targets()
    window = await find_window(source, window_s, targets)
    lives = Lives(source, window)
    await lives.load(targets)
    outages, began, held_since, keys, clocks = await asyncio.gather(
        _find_outages(source, window, lives),
        _watching_began(source, window),
        _held_since(source, window),
        _keys_of(source, window),
        _clocks(source, window, lives),
    )
    # Whoever was there when the window began may have held a key before, unseen.
    settled_at = lives.oldest + _SETTLED * window.interval_s
    ids = key_ids([*keys, *(sample for each in lives.current.values() for sample in each)])
    fleet = _enter_all(lives, window, outages).fleet(
        ids,
        window.now,
        watched_since(
            window.now if began is None else began,
            window_start=max(window.start, lives.oldest),
            stated=stated_watch,
        ),
        {key_id: at for key_id, at in held_since.items() if at > settled_at},
    )
    return Evidence(
        fleet=fleet,
        source=source.name,
        key_ids=ids,
        clocks_s=clocks,
        interval_s=window.interval_s,
        limits=tuple(_limits(lives, targets, fleet)),
    )


def _enter_all(lives: Lives, window: Window, outages: Sequence[Interval]) -> History:
    history = History(window.interval_s)
    for outage in outages:
        history.nothing_was_scraped(outage.start, outage.end)
    by_name: dict[str, list[Life]] = defaultdict(list)
    for life in lives.by_identity.values():
        by_name[life.name].append(life)
    for name, same in by_name.items():
        _enter(history, name, same, window)
    return history


def _enter(history: History, name: str, lives: Sequence[Life], window: Window) -> None:
    """One after the other, as they were there: a StatefulSet's pod comes back elsewhere."""
    newest = max(lives, key=lambda life: (life.is_up is not None, life.last_up))
    service, heard_at = "", newest.first_up - window.interval_s
    for at, replica, is_end in sorted(_events(lives, newest, window), key=lambda each: each[0]):
        if replica is not None:
            history.heard(replica)
            service, heard_at = replica.service, replica.scraped_at
        elif is_end:
            history.gone(name, at)
        else:
            history.silent(service, name, at)
    was_silent = math.isinf(newest.last_up) or newest.last_up > heard_at + window.interval_s / 2
    if newest.is_up is not True and was_silent:
        since = window.now if math.isinf(heard_at) else heard_at + window.interval_s
        history.silent(service, name, since)
    if newest.is_up is None:
        history.gone(name, min(newest.last_up + window.interval_s, window.now))


def _events(
    lives: Sequence[Life], newest: Life, window: Window
) -> Iterator[tuple[float, Replica | None, bool]]:
    """What happened under one name, before the newest life ended: a run's last scrape, with the
    run; else the beginning of a silence, or (True) the end of a life in which nobody was heard."""
    for life in lives:
        yield from ((replica.scraped_at, replica, False) for replica in life.replicas)
        yield from ((gap.start, None, False) for gap in life.gaps)
        if life is not newest and not life.replicas and not math.isinf(life.last_up):
            yield life.first_up, None, False
            yield life.last_up + window.interval_s, None, True


def _tells_targets(targets: Sequence[KnownTarget] | None, lives: Lives) -> bool:
    """Whether discovery is known: a store that scrapes nobody itself lists nobody."""
    return any(identity_of(target.labels) in lives.by_identity for target in targets or ())


def _limits(lives: Lives, targets: Sequence[KnownTarget] | None, fleet: Fleet) -> Iterator[str]:
    """What this evidence cannot prove."""
    if not _tells_targets(targets, lives):
        yield "Which targets were not scraped yet, this server does not say."
    if lives.others:
        jobs = ", ".join(sorted(lives.others)[:_SHOWN])
        yield (
            f"Targets of jobs without any sidecar do not answer ({jobs}). If they are sidecars, "
            "say so: --match counts every target that it chooses."
        )
    there = {replica.service for replica in fleet.present}
    left = sorted({replica.service for replica in fleet.replicas} - there)
    if left:
        yield f"No replica is there any more of {', '.join(left)}: gone, as far as anybody can see."


async def _find_outages(source: Prometheus, window: Window, lives: Lives) -> list[Interval]:
    """When nobody was scraped at all of a job in which tokens are handed out."""
    signers: dict[str, list[Life]] = defaultdict(list)
    for life in lives.by_identity.values():
        if any(replica.watch is not None for replica in life.replicas):
            signers[life.labels.get("job", "")].append(life)
    found = await asyncio.gather(*(_outages_of(source, window, *each) for each in signers.items()))
    return [outage for each in found for outage in each]


async def _outages_of(
    source: Prometheus, window: Window, job: str, signers: Sequence[Life]
) -> list[Interval]:
    """The last one goes on where nobody of the job is scraped any more: it is over only if every
    signer that was there last said so."""
    selector = f"max(timestamp({source.selector('up', *matchers({'job': job}, ['job']))}))"
    rounds: set[float] = set()
    start, step = window.start, window.interval_s
    while start <= window.now:
        end = min(start + _MAX_POINTS * step, window.now)
        found = await source.range(selector, start, end, step)
        rounds.update(at for _, at in found if 0 <= at <= window.now)
        start = end + step
    late_s = _LATE * window.interval_s
    last = max(rounds, default=window.now)
    if any(life.last_up > last - late_s and not life.replicas[-1].has_ended for life in signers):
        rounds.add(window.now)
    return [
        Interval(before, after)
        for before, after in pairwise(sorted(rounds))
        if after - before > late_s
    ]


async def _watching_began(source: Prometheus, window: Window) -> float | None:
    """The first scrape of a replica that hands out tokens; None = there is no such replica."""
    selector = source.selector(ISSUING)
    first, before = await asyncio.gather(
        source.moments(f"min(min_over_time(timestamp({selector}){window.steps}))", window.now),
        source.vector(f"count({selector})", window.start - RUN_ON_S),
    )
    if before:
        return -math.inf
    return first[0].value if first else None


async def _held_since(source: Prometheus, window: Window) -> dict[str, float]:
    """When each key was first held by anybody, in the window."""
    selector = source.selector(KEYS)
    found = await source.moments(
        f"min by (key, exported_key) (min_over_time(timestamp({selector}){window.steps}))",
        window.now,
    )
    first: dict[str, float] = {}
    for sample in found:
        key_id = label(sample.labels, "key")
        first[key_id] = min(first.get(key_id, math.inf), sample.value)
    return first


async def _keys_of(source: Prometheus, window: Window) -> list[Sample]:
    """Every key that anybody held in the window."""
    return await source.vector(
        f"group by (key, exported_key) (last_over_time({source.selector(KEYS)}{window.range}))",
        window.now,
    )


async def _clocks(source: Prometheus, window: Window, lives: Lives) -> dict[str, float]:
    """How far the clock of each replica that answers is ahead, by place."""
    selector = source.selector(CLOCK)
    found = await source.vector(f"{selector} - timestamp({selector})", window.now)
    ahead = {identity_of(sample.labels): sample.value for sample in found}
    return {
        life.replicas[-1].place: ahead[identity]
        for identity, life in lives.by_identity.items()
        if life.replicas and identity in ahead
    }
