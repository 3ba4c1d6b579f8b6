"""Who acts in a simulated world: sidecars with real ledgers, and a Prometheus that scrapes them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from random import Random

from sidecar.rotation.history import History
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import AFTER_SWITCH, Ledger
from sidecar.rotation.policy import Policy
from sidecar.rotation.record import Record, parse_record
from sidecar.rotation.replica import Fleet, Replica
from sidecar.rotation.snapshot import (
    RECORD_AHEAD_S,
    must_be_recorded,
    restore_ledger,
    take_record,
)
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Verdict, judge_fleet
from tests.rotation.world import NEW, OLD, Pod, World

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
    is_readable: bool = True
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
        if self.pod.is_issuer and self.pod.is_watched:
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
            scope=_SCOPE if self.ledger.issuing is not None else None,
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

    def hand_out(self, token: Token, now: float) -> bool:
        """Whether the token is let out; it is in the ledger and on disk before."""
        issuing = self.ledger.issuing
        assert issuing is not None
        own = now + self.pod.clock
        if not token.is_readable:
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
        is_late = switch_at is not None and token.issued_at > switch_at + self.world.leeway
        if is_late and self.pod.enforces and switch_at is not None:
            knows = max(self.pod.learns_newer_at, self.pod.learns_switch_at)
            until = min(until, max(knows, switch_at - self.pod.clock))
        until = min(until, self.pod.ends)
        return until if until > self.pod.watched_from else -inf

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
    """Scrapes, enters what it sees in a history, and has the old key judged."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.history = History(world.interval)
        self.listed: set[str] = set()
        self.scraped_at: float | None = None
        self.newest_shown = -inf

    def tick(self, sidecars: Iterable[Sidecar], now: float) -> Judgement | None:
        """One round of scrapes at ``now``, and the verdict after it; None during an outage."""
        world, judge_now = self.world, now + self.world.clock
        if any(begins <= now <= ends for begins, ends in world.outages):
            return None
        if self.scraped_at is not None and judge_now - self.scraped_at > 1.5 * world.interval:
            self.history.nothing_was_scraped(self.scraped_at, judge_now)
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
            if now >= pod.answers_from and self.rng.random() >= world.scrape_failures:
                self._enter(sidecar.scrape(now, judge_now))
            elif not is_over or pod.name in self.listed:
                self.history.silent(pod.service, pod.name, judge_now)
        for name in self.listed - present:
            self.history.gone(name, judge_now)
        self.listed = present
        self.scraped_at = judge_now
        fleet = self._fleet(judge_now)
        if OLD not in fleet.ring.key_ids or fleet.ring.newest == OLD:
            return None
        return Judgement(now, judge_fleet(fleet)[OLD], fleet, self.newest_shown)

    def _enter(self, seen: Replica) -> None:
        self.history.heard(seen)
        shown = seen.seen(OLD).newest_issued_at
        if shown is not None:
            self.newest_shown = max(self.newest_shown, shown)

    def _fleet(self, judge_now: float) -> Fleet:
        world = self.world
        begun = world.first_scrape + world.clock + world.run_on
        return self.history.fleet(
            (OLD, NEW),
            judge_now,
            0.0 if world.is_whole else begun,
            {OLD: 1.0} if world.is_whole else {},
        )
