"""A simulator of rotations, and an oracle that knows every token.

It plays a random world (``world``) event by event: real ledgers take note of what simulated
sidecars see, a simulated Prometheus scrapes them (``actors``), and after every scrape the real
verdict is asked. The ``oracle``, which sees what nobody in the world can see, then says whether a
yes was right: whether any token of the old key, handed out ever, would still have been accepted by
any replica.

    python -m tests.rotation.simulator --worlds 20000 [--from SEED]
"""

import argparse
import heapq
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from time import monotonic

from sidecar.rotation.verdict import Basis, State
from tests.rotation.actors import Prometheus, Rotation, Sidecar, Token
from tests.rotation.oracle import find_delays, find_mistakes
from tests.rotation.world import NEW, OLD, Pod, World, draw


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
        if sidecar.pod.is_watched and now >= sidecar.pod.watched_from:
            token.is_readable = rng.random() >= world.unreadable_share
            if not sidecar.hand_out(token, now):
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
