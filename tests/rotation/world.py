"""Random worlds for the simulator: a fleet, its clocks and its accidents, planned in advance.

A world is one rotation from key ``a`` to key ``b``. Everything in it is drawn from its seed: who
signs and when each of its workers switches, how long tokens live, which clocks are off, which
sidecars restart with or without their memory, who ends without a last word, when nothing is
scraped, what is stated and whether it is true. Times are true unix seconds unless said otherwise.
"""

from dataclasses import dataclass, field
from math import inf
from random import Random

START = 1_000_000.0
OLD, NEW = "a", "b"


@dataclass(slots=True)
class Pod:
    """One pod: an application and, from ``watched_from`` on, a sidecar in front of it.

    ``workers``: when each worker process of a signer begins to sign with the newer key.
    ``is_watched``: its sidecar looks at what it hands out.
    ``answers_from``: it is known from its start on, and its first scrapes fail until then.
    ``restarts``: of the sidecar: when, with memory or not, cleanly or by a crash.
    ``learns_newer_at``, ``learns_switch_at``: when its keyring gets the newer key, the statement.
    """

    service: str
    name: str
    starts: float
    clock: float
    signer_clock: float
    max_lifetime: float
    enforces: bool
    learns_newer_at: float = 0.0
    learns_switch_at: float = 0.0
    ends: float = inf
    watched_from: float = 0.0
    is_watched: bool = True
    answers_from: float = 0.0
    says_last_word: bool = True
    workers: tuple[float, ...] = ()
    issues: tuple[float, ...] = ()
    restarts: tuple[tuple[float, bool, bool], ...] = ()

    @property
    def is_issuer(self) -> bool:
        return bool(self.workers)


@dataclass(slots=True)
class World:
    """See the module. ``clock`` is that of the one who scrapes and judges."""

    seed: int
    leeway: float
    clock: float
    interval: float
    first_scrape: float
    horizon: float
    run_on: float
    switch_at: float | None
    lifetimes: tuple[int, int]
    unbounded_share: float
    unreadable_share: float
    scrape_failures: float
    is_whole: bool
    pods: list[Pod] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)

    @property
    def allows_unbounded(self) -> bool:
        return self.unbounded_share > 0


def draw(seed: int, *, is_whole: bool = False) -> World:
    """The world of a seed. ``is_whole``: one whose watching has no holes, and that states truly."""
    return _Draw(seed, is_whole).world()


class _Draw:
    def __init__(self, seed: int, is_whole: bool) -> None:
        self.rng = Random(seed)
        self.seed = seed
        self.is_whole = is_whole
        self.leeway = self.rng.choice((0.0, 1.0, 5.0, 20.0))
        self.has_reference_clock = self.rng.random() < 0.5
        self.interval = self.rng.choice((10.0, 15.0, 20.0))
        self.switch = START + 150 + self.rng.random() * 100
        self.spread = self.rng.choice((0.0, 5.0, 60.0, 150.0))
        self.bound = float(self.rng.choice((0, self.rng.randint(2, 20), *[150, 100, 50, 30])))
        self.watch_begins = START
        if self.mishap(0.4):
            self.watch_begins = max(START, self.around(self.switch, 150))
        self.run_on = self.rng.choice((0.0, 30.0, 100.0))
        self.is_watched_by_replacement = self.watch_begins > START and self.chance(0.5)
        self.enforced_share = self.rng.choice((0.0, 0.5, 1.0, 1.0))
        if is_whole:
            self.enforced_share = self.rng.choice((0.0, 1.0))

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def mishap(self, share: float) -> bool:
        """Something that leaves a hole in the watching."""
        return not self.is_whole and self.chance(share)

    def around(self, at: float, spread: float = 100.0) -> float:
        return at + (self.rng.random() - 0.5) * 2 * spread

    def world(self) -> World:
        longest = int(self.bound) if self.bound else self.rng.randint(2, 200)
        shortest = longest if self.chance(0.6) else self.rng.randint(1, longest)
        world = World(
            seed=self.seed,
            leeway=self.leeway,
            clock=0.0 if self.has_reference_clock else self.clock(),
            interval=self.interval,
            first_scrape=max(START, self.watch_begins) + self.rng.random() * self.interval,
            horizon=START + 800,
            run_on=self.run_on,
            switch_at=self.statement(),
            lifetimes=(shortest, longest + (30 if self.chance(0.1) else 0)),
            unbounded_share=0.1 if self.chance(0.1) and not self.is_whole else 0.0,
            unreadable_share=0.03 if self.mishap(0.15) else 0.0,
            scrape_failures=self.rng.choice((0.02, 0.3)) if self.mishap(0.4) else 0.0,
            is_whole=self.is_whole,
        )
        while self.mishap(0.25):
            begins = self.around(self.switch + 100, 200)
            world.outages.append((begins, begins + self.rng.random() * 150))
        for number in range(self.rng.randint(1, 3)):
            world.pods.append(self.verifier(f"thoughts-{number}"))
        for number in range(self.rng.randint(1, 3)):
            world.pods.extend(self.signers(f"users-{number}"))
        for begins, ends in world.outages:
            if ends - begins > 2 * self.interval and self.chance(0.6):
                world.pods.append(self.hidden(begins, ends))
        if self.mishap(0.15):
            world.pods.append(self.unwatched())
        if self.mishap(0.15):
            world.pods.append(self.set_back())
        return world

    def clock(self) -> float:
        """An error within the leeway: of every clock against the judge's, or of any two."""
        reach = self.leeway if self.has_reference_clock else self.leeway / 2
        if self.chance(0.5):
            return self.rng.choice((-reach, reach))
        return (self.rng.random() - 0.5) * 2 * reach

    def statement(self) -> float | None:
        """When all signers are stated to have switched; mostly true, sometimes a plan, or a lie."""
        if self.chance(0.15):
            return None
        true_at = self.switch + self.spread
        if self.chance(0.3):
            true_at = self.around(self.switch, 80)
        return float(int(true_at) + 1)

    # --- pods --------------------------------------------------------------------------------

    def verifier(self, name: str) -> Pod:
        pod = self.pod("thoughts", name, START)
        if self.chance(0.2):
            pod.ends = self.around(self.switch + 200, 200)
        return pod

    def signers(self, name: str) -> list[Pod]:
        """The pods that follow each other in one place of a service that hands out tokens."""
        switches = self.around(self.switch, self.spread)
        pods = [self.signer(name, START, switches)]
        if self.is_watched_by_replacement:
            pods.append(self.first_watched(name, pods[0], switches))
        while self.chance(0.4):
            old = pods[-1]
            old.ends = self.around(self.switch + 150, 250)
            if old.ends < old.starts + 3 * self.interval:
                old.ends = inf
                break
            same_name = self.mishap(0.3)
            successor = name if same_name else f"{name}-{len(pods)}"
            overlap = 0.0 if same_name else self.rng.random() * 20
            comes_late_with_old_key = self.chance(0.15)
            begins = self.around(self.switch, self.spread)
            if comes_late_with_old_key:
                begins = old.ends + self.rng.random() * 200
            new = self.signer(successor, old.ends - overlap, begins)
            # A place keeps its rules.
            new.enforces, new.max_lifetime = old.enforces, old.max_lifetime
            pods.append(new)
        return pods

    def signer(self, name: str, starts: float, switches: float) -> Pod:
        pod = self.pod("users", name, starts)
        pod.workers = (switches,)
        if self.mishap(0.15):
            pod.workers = (switches, self.around(switches + 60, 60))
        pod.says_last_word = not self.mishap(0.4)
        if self.mishap(0.2):
            pod.answers_from = starts + self.rng.random() * 150
        rate = self.rng.choice((0.005, 0.02, 0.1, 0.2))
        if self.chance(0.15):
            rate = 0.0005
        at, issues = starts, []
        while at < START + 800:
            at += self.rng.expovariate(rate)
            issues.append(at)
        pod.issues = tuple(issues)
        return pod

    def first_watched(self, name: str, old: Pod, switches: float) -> Pod:
        """The sidecar comes with a new pod, and the old one runs on for a while without."""
        old.watched_from = inf
        old.ends = self.watch_begins + self.rng.random() * self.run_on
        new = self.signer(f"{name}-watched", self.watch_begins, switches)
        new.enforces, new.max_lifetime = old.enforces, old.max_lifetime
        return new

    def hidden(self, begins: float, ends: float) -> Pod:
        """A signer whose whole life falls into an outage of the scraping."""
        switches = inf if self.chance(0.5) else self.around(self.switch, 100)
        pod = self.signer(f"users-hidden-{begins:.0f}", begins + 0.1, switches)
        pod.ends = max(ends - 0.1, pod.starts)
        pod.restarts, pod.says_last_word = (), False
        return pod

    def unwatched(self) -> Pod:
        """A signer without a sidecar."""
        pod = self.signer("users-unwatched", START, self.around(self.switch, 150))
        pod.watched_from = inf
        pod.ends = self.around(self.watch_begins + 50, 300)
        return pod

    def set_back(self) -> Pod:
        """A signer whose sidecar is set to look at nothing, as before the watching."""
        pod = self.signer("users-set-back", self.around(self.switch + 50, 150), inf)
        if self.chance(0.5):
            pod.ends = pod.starts + 2 * self.interval + self.rng.random() * 300
        pod.is_watched = pod.says_last_word = False
        return pod

    def pod(self, service: str, name: str, starts: float) -> Pod:
        clock = self.clock()
        pod = Pod(
            service=service,
            name=name,
            starts=starts,
            clock=clock,
            # In one pod there is one clock; where every two clocks may differ, these may too.
            signer_clock=clock if self.has_reference_clock else self.clock(),
            max_lifetime=self.bound + (20 if self.bound and self.chance(0.1) else 0),
            enforces=self.chance(self.enforced_share),
            watched_from=max(starts, self.watch_begins),
        )
        if self.mishap(0.05):
            pod.max_lifetime = 0.0
        # Whoever starts later reads the keyring of that day.
        if starts == START and self.mishap(0.1):
            pod.learns_newer_at = self.around(self.switch, 100)
        if starts == START and self.mishap(0.2):
            pod.learns_switch_at = self.around(self.switch + 50, 100)
        restarts = []
        while self.chance(0.25):
            with_memory = not self.mishap(0.5)
            restarts.append((self.around(self.switch + 100, 300), with_memory, self.chance(0.5)))
        pod.restarts = tuple(sorted(restarts))
        return pod
