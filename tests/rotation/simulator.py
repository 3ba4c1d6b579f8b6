"""A simulator of rotations, and an oracle that knows every token.

It plays a random world (``world``) second by second: real ledgers take note of what simulated
sidecars see, a simulated Prometheus scrapes them, and after every scrape the real verdict is asked.
The oracle, which sees what nobody in the world can see, then says whether a yes was right: whether
any token of the old key, handed out ever, would still have been accepted by any replica.

    python -m tests.rotation.simulator --worlds 20000 [--from SEED]
"""

import argparse
import heapq
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf
from random import Random
from time import monotonic

from sidecar.rotation.assumption import Assumption
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import AFTER_SWITCH, Ledger
from sidecar.rotation.policy import Policy
from sidecar.rotation.record import Record, parse_record
from sidecar.rotation.replica import Fleet, Interval, Replica, Target, combined_ring
from sidecar.rotation.snapshot import (
    RECORD_AHEAD_S,
    must_be_recorded,
    restore_ledger,
    take_record,
)
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Basis, State, Verdict, judge_fleet
from tests.rotation.world import NEW, OLD, START, Pod, World, draw

_SCOPE = "POST /login"


@dataclass(slots=True)
class Token:
    """A token, and whence it came; ``death`` (true time): nobody accepts it from then on."""

    key_id: str
    number: int
    issued_at: int
    expires_at: int | None
    handed_out_at: float
    pod: Pod
    death: float = -inf

    @property
    def digest(self) -> bytes:
        return self.number.to_bytes(16, "big")


@lru_cache(maxsize=4096)
def ring_of(has_newer: bool, switch_at: float | None) -> Succession:
    """A replica's keys and statements."""
    ids = (OLD, NEW) if has_newer else (OLD,)
    stated = {NEW: switch_at} if has_newer and switch_at is not None else {}
    return Succession(ids, ids[-1], stated)


class Sidecar:
    """A simulated sidecar: a pod's rules, with the real ledger and its real memory."""

    def __init__(self, pod: Pod, world: World) -> None:
        self.pod = pod
        self.world = world
        self.policy = Policy(pod.enforces, pod.max_lifetime, world.leeway)
        self.record: Record | None = None
        was_running = pod.watched_from > pod.starts
        self._begin_anew(pod.watched_from, was_running=was_running)

    def _begin_anew(self, now: float, *, was_running: bool) -> None:
        """``was_running``: the application accepted connections already."""
        own = now + self.pod.clock
        issuing = None
        if self.pod.is_issuer:
            issuing = Issuing(scope=_SCOPE, unwatched_until=own if was_running else None)
        self.ledger = Ledger(observing_since=own, leeway_s=self.world.leeway, issuing=issuing)

    def restart(self, now: float, *, with_memory: bool, cleanly: bool) -> None:
        """A container restart; ``with_memory``: there is a ``state_dir``."""
        if not with_memory:
            self._begin_anew(now, was_running=True)
            return
        own = now + self.pod.clock
        if cleanly or self.record is None:
            self.record = take_record(self.ledger, own, is_final=True)
        record = parse_record(json.loads(json.dumps(self.record.document())))
        self.ledger = restore_ledger(
            record,
            leeway_s=self.world.leeway,
            scope=_SCOPE if self.pod.is_issuer else None,
            unwatched_until=own,
        )

    def _tidy(self, now: float) -> None:
        """Write what must be on disk, and what has been dirty for long."""
        own, issuing = now + self.pod.clock, self.ledger.issuing
        is_old = self.record is None or own - self.record.written_at >= RECORD_AHEAD_S
        if is_old or (issuing is not None and must_be_recorded(self.record, issuing)):
            self.record = take_record(self.ledger, own)

    def has_newer(self, now: float) -> bool:
        return now >= self.pod.learns_newer_at

    def switch_at(self, now: float) -> float | None:
        """The statement as far as it reached this replica."""
        if not self.has_newer(now) or now < self.pod.learns_switch_at:
            return None
        return self.world.switch_at

    def hand_out(self, token: Token, now: float, *, is_readable: bool) -> bool:
        """Whether the token is let out; it is in the ledger and on disk before."""
        issuing = self.ledger.issuing
        assert issuing is not None
        own = now + self.pod.clock
        if not is_readable:
            issuing.unreadable_answer("no_json", own)
        elif token.key_id == NEW and not self.has_newer(now):
            issuing.issued_unknown(token.issued_at, token.expires_at, own)
        elif token.key_id == OLD and self._is_behind(token, own, now):
            issuing.refused(OLD)
            return False
        else:
            issuing.issued(token, own)
        self._tidy(now)
        return True

    def _is_behind(self, token: Token, own: float, now: float) -> bool:
        switch_at = self.switch_at(now)
        if switch_at is None or not self.pod.enforces or own < switch_at:
            return False
        return token.issued_at > switch_at + self.world.leeway

    def refusal(self, token: Token, now: float) -> str | None:
        """The reason for which the token is not let in."""
        own, leeway = now + self.pod.clock, self.world.leeway
        if token.key_id == NEW and not self.has_newer(now):
            return "unknown_key"
        if token.expires_at is None:
            if self.pod.max_lifetime or not self.world.allows_unbounded:
                return "unbounded"
        elif own >= token.expires_at + leeway:
            return "expired"
        elif self.pod.max_lifetime and token.expires_at - token.issued_at > self.pod.max_lifetime:
            return "lifetime_too_long"
        if token.issued_at > own + leeway:
            return "not_yet_valid"
        if token.key_id == OLD and self._is_behind(token, own, now):
            return AFTER_SWITCH
        return None

    def present(self, token: Token, now: float) -> None:
        """A caller shows a token."""
        own, reason = now + self.pod.clock, self.refusal(token, now)
        if reason is None:
            self.ledger.accepted(token, own)
        else:
            is_signed = reason != "unknown_key"
            self.ledger.rejected(
                reason,
                ("new" if token.key_id == NEW else "old") if is_signed else "none",
                token.key_id if is_signed else None,
                True,
                own,
                token.issued_at if is_signed else None,
            )
        self._tidy(now)

    def last_acceptance(self, token: Token) -> float:
        """The true time until which this replica might let the token in, if it is shown."""
        if token.expires_at is None:
            if self.pod.max_lifetime or not self.world.allows_unbounded:
                return -inf
            until = inf
        else:
            lifetime = token.expires_at - token.issued_at
            if self.pod.max_lifetime and lifetime > self.pod.max_lifetime:
                return -inf
            until = token.expires_at + self.world.leeway - self.pod.clock
        switch_at = self.world.switch_at
        if not self.pod.enforces or switch_at is None:
            return min(until, self.pod.ends)
        if token.issued_at > switch_at + self.world.leeway:
            knows = max(self.pod.learns_newer_at, self.pod.learns_switch_at)
            until = min(until, max(knows, switch_at - self.pod.clock))
        return min(until, self.pod.ends)

    def scrape(self, now: float, judge_now: float) -> Replica:
        """What Prometheus sees."""
        issuing = self.ledger.issuing
        return Replica(
            service=self.pod.service,
            name=self.pod.name,
            ring=ring_of(self.has_newer(now), self.switch_at(now)),
            policy=self.policy,
            observing_since=self.ledger.observing_since,
            scraped_at=judge_now,
            presented=self.ledger.evidence((OLD, NEW), now + self.pod.clock),
            watch=None if issuing is None else issuing.watch(),
        )


@dataclass(slots=True)
class Judgement:
    """A verdict on the old key, when it was given, and what had been scraped by then."""

    at: float  # true time
    verdict: Verdict
    fleet: Fleet
    newest_shown: float  # the newest iat of the old key that any scrape ever showed as presented


@dataclass(slots=True)
class Rotation:
    """A world that was played to its end."""

    world: World
    tokens: list[Token]
    judgements: list[Judgement] = field(default_factory=list)

    @property
    def old_tokens(self) -> list[Token]:
        return [token for token in self.tokens if token.key_id == OLD]


class Prometheus:
    """Scrapes, remembers every run of every sidecar, and has the old key judged."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.runs: dict[tuple[str, float], Replica] = {}
        self.current: dict[str, tuple[str, float]] = {}  # name -> its latest run
        self.known: dict[str, Target] = {}
        self.gaps: list[Interval] = []
        self.scraped_at: float | None = None
        self.newest_shown = -inf

    def tick(self, sidecars: Iterable[Sidecar], now: float) -> Judgement | None:
        """One round of scrapes at ``now``, and the verdict after it; None during an outage."""
        world, judge_now = self.world, now + self.world.clock
        if any(begins <= now <= ends for begins, ends in world.outages):
            return None
        if self.scraped_at is not None and judge_now - self.scraped_at > 1.5 * world.interval:
            self.gaps.append(Interval(self.scraped_at, judge_now))
        present = set()
        for sidecar in sidecars:
            pod = sidecar.pod
            if not pod.watched_from <= now:
                continue
            is_over = now >= pod.ends
            if is_over and not (pod.says_last_word and now - pod.ends <= world.interval):
                continue
            if not is_over:
                present.add(pod.name)
                self.known.setdefault(pod.name, Target(pod.service, pod.name))
            if self.rng.random() >= world.scrape_failures:
                self._enter(sidecar.scrape(now, judge_now))
        self._bury(present, judge_now)
        self.scraped_at = judge_now
        fleet = self._fleet(judge_now)
        if OLD not in fleet.ring.key_ids or fleet.ring.newest == OLD:
            return None
        return Judgement(now, judge_fleet(fleet)[OLD], fleet, self.newest_shown)

    def _enter(self, seen: Replica) -> None:
        run = (seen.name, seen.observing_since)
        former = self.current.get(seen.name)
        if former is not None and former != run and self.runs[former].gone_at is None:
            self.runs[former] = replace(self.runs[former], gone_at=seen.observing_since)
        self.runs[run] = seen
        self.current[seen.name] = run
        self.known.pop(seen.name, None)
        shown = seen.seen(OLD).newest_issued_at
        if shown is not None:
            self.newest_shown = max(self.newest_shown, shown)

    def _bury(self, present: set[str], judge_now: float) -> None:
        for run, seen in self.runs.items():
            if seen.gone_at is None and seen.name not in present:
                self.runs[run] = replace(seen, gone_at=judge_now)
        for name, target in self.known.items():
            if name not in present and name not in self.current and target.gone_at is None:
                self.known[name] = replace(target, gone_at=judge_now)

    def _fleet(self, judge_now: float) -> Fleet:
        world, runs = self.world, tuple(self.runs.values())
        unscraped = tuple(t for name, t in self.known.items() if name not in self.current)
        return Fleet(
            ring=combined_ring((OLD, NEW), (r for r in runs if not r.gone_at and not r.has_ended)),
            replicas=runs,
            now=judge_now,
            watched_since=0.0
            if world.is_whole
            else world.first_scrape + world.clock + world.run_on,
            held_since={OLD: 1.0} if world.is_whole else {},
            unscraped=unscraped,
            gaps=tuple(self.gaps),
            stale_after_s=3 * world.interval,
        )


def play(world: World) -> Rotation:
    """Play a world to its end."""
    rng = Random(world.seed)
    rotation = Rotation(world, [])
    sidecars = [Sidecar(pod, world) for pod in world.pods]
    verifiers = [sidecar for sidecar in sidecars if sidecar.pod.watched_from < inf]
    prometheus = Prometheus(world, rng)
    events: list[tuple[float, int, Callable[[float], None]]] = []

    def at(time: float, event: Callable[[float], None]) -> None:
        heapq.heappush(events, (time, len(events) + rng.getrandbits(32), event))

    def issue(sidecar: Sidecar, now: float) -> None:
        token = _sign(sidecar.pod, world, rng, len(rotation.tokens), now)
        if now >= sidecar.pod.watched_from:
            is_readable = rng.random() >= world.unreadable_share
            if not sidecar.hand_out(token, now, is_readable=is_readable):
                return
        rotation.tokens.append(token)
        for moment in _presentations(token, rng, world.leeway):
            at(moment, lambda now: present(token, now))

    def present(token: Token, now: float) -> None:
        there = [s for s in verifiers if s.pod.watched_from <= now < s.pod.ends]
        if there:
            rng.choice(there).present(token, now)

    def scrape(now: float) -> None:
        judgement = prometheus.tick(sidecars, now)
        if judgement is not None:
            rotation.judgements.append(judgement)
        if now + world.interval < world.horizon:
            at(now + world.interval, scrape)

    for sidecar in sidecars:
        pod = sidecar.pod
        for moment in pod.issues:
            if moment < pod.ends:
                at(moment, lambda now, s=sidecar: issue(s, now))  # type: ignore[misc]
        for moment, with_memory, cleanly in pod.restarts:
            if pod.watched_from < moment < pod.ends:
                at(
                    moment,
                    lambda now, s=sidecar, m=with_memory, c=cleanly: s.restart(  # type: ignore[misc]
                        now, with_memory=m, cleanly=c
                    ),
                )
        if pod.ends < inf and pod.is_issuer and pod.watched_from < pod.ends:
            at(pod.ends, lambda now, s=sidecar: _end(s, now))  # type: ignore[misc]
    at(world.first_scrape, scrape)
    while events:
        time, _, event = heapq.heappop(events)
        if time >= world.horizon:
            break
        event(time)
    for token in rotation.old_tokens:
        token.death = max((s.last_acceptance(token) for s in verifiers), default=-inf)
    return rotation


def _end(sidecar: Sidecar, now: float) -> None:
    if sidecar.pod.says_last_word and sidecar.ledger.issuing is not None:
        sidecar.ledger.issuing.end(now + sidecar.pod.clock)


def _sign(pod: Pod, world: World, rng: Random, number: int, now: float) -> Token:
    switches = rng.choice(pod.workers)
    issued_at = int(now + pod.signer_clock)
    expires_at: int | None = issued_at + rng.randint(*world.lifetimes)
    if rng.random() < world.unbounded_share:
        expires_at = None
    return Token(NEW if now >= switches else OLD, number, issued_at, expires_at, now, pod)


def _presentations(token: Token, rng: Random, leeway: float) -> list[float]:
    """Some callers are busy, some show a token once, some in its last second, some never."""
    now, kind = token.handed_out_at, rng.random()
    if kind < 0.2:
        return []
    last = token.expires_at + leeway - 0.5 if token.expires_at is not None else now + 300
    if kind < 0.4:
        return [max(now, last)]
    if kind < 0.7:
        return [now + rng.random() * 10]
    return [now + rng.random() * max(last - now, 1) for _ in range(3)]


# --- the oracle ------------------------------------------------------------------------------


def find_mistakes(rotation: Rotation) -> list[str]:
    """Every yes that would have refused a good token although the world kept what it rests on."""
    mistakes = []
    tokens = rotation.old_tokens
    last_death = max((token.death for token in tokens), default=-inf)
    for judgement in rotation.judgements:
        verdict = judgement.verdict
        if verdict.state is not State.RETIRABLE:
            continue
        if judgement.at < last_death and _keeps(rotation, judgement):
            victims = [t for t in tokens if t.death > judgement.at and _counts(t, judgement)]
            if victims:
                mistakes.append(_accuse(rotation, judgement, victims))
        if _was_contradicted(rotation, judgement):
            mistakes.append(_accuse(rotation, judgement, []))
    return mistakes


def _counts(token: Token, judgement: Judgement) -> bool:
    """Whether the token is one that the verdict answers for."""
    if token.handed_out_at >= token.death:
        return False
    if Assumption.NOT_SET_BACK in judgement.verdict.assumptions:
        return token.pod.starts <= judgement.at
    return True


def _keeps(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether the world keeps the assumptions that are printed with the verdict."""
    world, assumptions = rotation.world, judgement.verdict.assumptions
    if Assumption.ALL_WATCHED in assumptions:
        since = judgement.fleet.watched_since - world.clock
        unwatched = (t for t in rotation.old_tokens if t.pod.watched_from == inf)
        if any(token.handed_out_at > since for token in unwatched):
            return False
    if Assumption.SWITCHES_ONCE in assumptions and any(len(p.workers) > 1 for p in world.pods):
        return False
    if Assumption.STATEMENT_IS_TRUE in assumptions:
        assert world.switch_at is not None
        limit = world.switch_at + world.leeway
        return all(token.issued_at <= limit for token in rotation.old_tokens)
    return True


def _was_contradicted(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether something that a scrape had shown already denied what the verdict rests on."""
    world, basis, shown = rotation.world, judgement.verdict.basis, judgement.newest_shown
    if basis is Basis.DECLARED:
        assert world.switch_at is not None
        return shown > world.switch_at + world.leeway
    if basis is Basis.OBSERVED:
        is_stranger = shown > _last_watched_issue(rotation, judgement) + RECORD_AHEAD_S
        return is_stranger or any(_goes_back(rotation, judgement, pod) for pod in world.pods)
    return False


def _goes_back(rotation: Rotation, judgement: Judgement, pod: Pod) -> bool:
    """Whether a scrape showed that a pod that is there, and free to sign, has several signers."""
    never_forgets = all(with_memory for _, with_memory, _ in pod.restarts)
    is_seen_wholly = never_forgets and not pod.learns_newer_at and pod.watched_from == pod.starts
    if not is_seen_wholly or pod.enforces or rotation.world.unreadable_share:
        return False
    if not pod.starts <= judgement.at < pod.ends:
        return False
    by = max((r.scraped_at for r in judgement.fleet.replicas if r.name == pod.name), default=-inf)
    mine = [t for t in rotation.tokens if t.pod is pod]
    shown = [t for t in mine if t.handed_out_at <= by - rotation.world.clock]
    first_newer = min((t.issued_at for t in shown if t.key_id == NEW), default=inf)
    return any(t.key_id == OLD and t.issued_at > first_newer for t in shown)


def _last_watched_issue(rotation: Rotation, judgement: Judgement) -> float:
    """The latest ``iat`` that anybody might know of, or know to be unknown."""
    world, fleet = rotation.world, judgement.fleet
    known = [
        token.issued_at
        for token in rotation.old_tokens
        if token.handed_out_at <= judgement.at and token.pod.watched_from < inf
    ]
    unknown = [fleet.watched_since, *(gap.end for gap in fleet.gaps)]
    for replica in fleet.issuers:
        assert replica.watch is not None
        unknown += [replica.watch.unwatched_until or 0, replica.gone_at or 0]
        unknown.append(replica.watch.unknown.newest_issued_at or 0)
    unknown += [target.gone_at or 0 for target in fleet.unscraped]
    return max([*known, *(moment + world.leeway for moment in unknown)])


def find_delays(rotation: Rotation) -> list[str]:
    """In a world that was watched wholly: every no that was given too late."""
    world, delays = rotation.world, []
    patience = 2 * world.interval
    for judgement in rotation.judgements:
        now = judgement.fleet.now
        if judgement.verdict.state is State.RETIRABLE or judgement.fleet.waited_for:
            continue
        expiries = [
            token.expires_at
            for token in rotation.old_tokens
            if token.handed_out_at <= judgement.at and token.expires_at is not None
        ]
        dead_at = max(expiries, default=0) + 2 * world.leeway + 1
        is_settled = _is_closed_to_all(rotation, judgement) or _is_done_by_all(rotation, judgement)
        is_dead = is_settled and now >= dead_at + patience
        if is_dead or _is_bounded_by_statement(rotation, judgement):
            delays.append(_accuse(rotation, judgement, []))
    return delays


def _is_closed_to_all(rotation: Rotation, judgement: Judgement) -> bool:
    world = rotation.world
    if world.switch_at is None or not all(pod.enforces for pod in world.pods):
        return False
    closed_at = world.switch_at + 2 * world.leeway + 1
    return judgement.fleet.now >= closed_at + 2 * world.interval


def _is_bounded_by_statement(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether a statement that is held, or true, has bounded every token for two scrapes."""
    world = rotation.world
    lifetimes = [pod.max_lifetime for pod in world.pods]
    if world.switch_at is None or not all(lifetimes):
        return False
    limit = world.switch_at + world.leeway
    is_true = all(token.issued_at <= limit for token in rotation.old_tokens)
    dead_at = world.switch_at + max(lifetimes) + 3 * world.leeway + 1
    is_dead = judgement.fleet.now >= dead_at + 2 * world.interval
    return is_dead and (is_true or all(pod.enforces for pod in world.pods))


def _is_done_by_all(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether each signer that is there had issued with the newer key two scrapes ago."""
    by = judgement.at - 2 * rotation.world.interval
    for pod in rotation.world.pods:
        if not pod.is_issuer or not pod.starts <= judgement.at < pod.ends:
            continue
        mine = [token for token in rotation.tokens if token.pod is pod]
        newer = [t.issued_at for t in mine if t.key_id == NEW and t.handed_out_at <= by]
        older = [t.issued_at for t in mine if t.key_id == OLD]
        if not newer or max(older, default=-inf) >= max(newer):
            return False
    return True


def _accuse(rotation: Rotation, judgement: Judgement, victims: list[Token]) -> str:
    verdict = judgement.verdict
    text = (
        f"seed {rotation.world.seed}: at +{judgement.at - START:.1f} s "
        f"{verdict.state} on basis {verdict.basis}: {verdict.why}"
    )
    for token in victims[:3]:
        text += (
            f"\n    {token.pod.name} handed out a token at +{token.handed_out_at - START:.1f} s, "
            f"iat +{token.issued_at - START:.0f} s, good until +{token.death - START:.1f} s"
        )
    return text


def simulate(seeds: Iterable[int], *, is_whole: bool = False) -> tuple[list[str], Counter[str]]:
    """Play the worlds of these seeds: what was wrong, and how often which first yes was given."""
    faults: list[str] = []
    tally: Counter[str] = Counter()
    for seed in seeds:
        rotation = play(draw(seed, is_whole=is_whole))
        faults += find_mistakes(rotation)
        if is_whole:
            faults += find_delays(rotation)
        bases = {j.verdict.basis for j in rotation.judgements if j.verdict.state is State.RETIRABLE}
        tally.update(str(basis) for basis in bases or {Basis.NONE})
    return faults, tally


def main() -> int:
    """Play many worlds, half of them wholly watched, and print every fault."""
    parser = argparse.ArgumentParser(description="Simulate rotations and look for wrong verdicts.")
    parser.add_argument("--worlds", type=int, default=20_000)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    options = parser.parse_args()
    began = monotonic()
    seeds = range(options.first, options.first + options.worlds)
    faults, tally = simulate(seeds[::2])
    more, whole = simulate(seeds[1::2], is_whole=True)
    faults += more
    lines = [
        *faults,
        f"{options.worlds} rotations in {monotonic() - began:.0f} s, {len(faults)} faults",
        f"  any world, bases that said yes: {dict(tally)}",
        f"  wholly watched worlds: {dict(whole)}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
