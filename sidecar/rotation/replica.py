"""What is known of replicas and of the fleet that they make up, as values. Pure.

One :class:`Replica` is one *run* of a sidecar with its memory: where ``observing_since`` changed
under a name, an earlier run ended without a last word and a new one began. The fleet room fills
these from what it scraped; a sidecar that answers for itself is a fleet of one (``alone``).

Times are unix seconds: those that a sidecar told are of its clock, those of scrapes and of ``now``
of the clock of the one who asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sidecar.rotation.evidence import NOTHING_SEEN, Evidence, Watch
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Statement, Succession

#: For how long replicas from before the watching may have run on beside the watched ones.
RUN_ON_S = 3_600.0

#: A replica that is there and did not answer for longer is waited for.
STALE_AFTER_S = 300.0


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``start`` to ``end``, both included."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One run of one sidecar, as it was last seen.

    ``watch``: what it saw handed out, None = its service hands out no tokens. ``gone_at``: a moment
    by which it had certainly ended, None = it is still there. ``is_answering``: the last try to
    scrape it succeeded; where not, another pod may be behind its name by now. ``gaps``: when it was
    there and was not scraped; what it tells afterwards covers them, so they are shown and bound
    nothing.
    """

    service: str
    name: str
    ring: Succession
    policy: Policy
    observing_since: float
    scraped_at: float
    presented: Mapping[str, Evidence] = field(default_factory=dict)
    watch: Watch | None = None
    digest: str = ""
    gone_at: float | None = None
    is_answering: bool = True
    gaps: tuple[Interval, ...] = ()

    @property
    def place(self) -> str:
        """How people find it."""
        return f"{self.service}/{self.name}"

    @property
    def has_ended(self) -> bool:
        """Whether it said its last word: what it told is all that there ever will be."""
        return self.watch is not None and self.watch.ended_at is not None

    def seen(self, key_id: str) -> Evidence:
        """The key's tokens that were presented to it."""
        return self.presented.get(key_id, NOTHING_SEEN)

    def holds(self, key_id: str) -> bool:
        """Whether it accepts the key's tokens."""
        return key_id in self.ring.key_ids

    def closing(self, key_id: str) -> Statement | None:
        """The earliest statement that it has by which nobody signs with the key any more."""
        if not self.holds(key_id):
            return None
        return next(iter(self.ring.statements_ending(key_id)), None)


@dataclass(frozen=True, slots=True)
class Target:
    """A replica that is known to exist or to have existed, and that was never scraped.

    ``service``: "" where nothing tells it.

    A name that is there and silent since its last word, or since it was gone, is a target as well:
    a new run that nobody has heard of may have begun under it.
    """

    service: str
    name: str
    gone_at: float | None = None

    @property
    def place(self) -> str:
        """How people find it."""
        return f"{self.service}/{self.name}" if self.service else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Every replica of every service, present and past, as far as the evidence reaches.

    ``ring``: the keys of all replicas (``combined_ring``). ``gaps``: when nothing was scraped at
    all, so that a whole replica may have come and gone unseen. ``watched_since``: from when on
    every service that hands out tokens was watched. ``held_since``: for a key that nobody held when
    the watching began, when it was first held; such a key has no tokens from before.
    ``is_alone``: a single replica that answers for itself.
    """

    ring: Succession
    replicas: tuple[Replica, ...]
    now: float
    watched_since: float
    unscraped: tuple[Target, ...] = ()
    gaps: tuple[Interval, ...] = ()
    held_since: Mapping[str, float] = field(default_factory=dict)
    stale_after_s: float = STALE_AFTER_S
    is_alone: bool = False

    @property
    def present(self) -> tuple[Replica, ...]:
        """The replicas that are there."""
        return tuple(r for r in self.replicas if r.gone_at is None and not r.has_ended)

    @property
    def issuers(self) -> tuple[Replica, ...]:
        """The replicas, present and past, that are watched for what they hand out."""
        return tuple(replica for replica in self.replicas if replica.watch is not None)

    def holders(self, key_id: str) -> tuple[Replica, ...]:
        """The present replicas that accept the key's tokens."""
        return tuple(replica for replica in self.present if replica.holds(key_id))

    def older(self, key_id: str) -> tuple[str, ...]:
        """The keys that this one followed."""
        return self.ring.key_ids[: self.ring.key_ids.index(key_id)]

    def newer(self, key_id: str) -> tuple[str, ...]:
        """The keys that came after this one."""
        return self.ring.key_ids[self.ring.key_ids.index(key_id) + 1 :]

    def is_silent(self, replica: Replica) -> bool:
        """Whether a replica that is there does not answer, or has not for long."""
        return not replica.is_answering or self.now - replica.scraped_at > self.stale_after_s

    @property
    def waited_for(self) -> tuple[Target | Replica, ...]:
        """Who is there and did not tell what it knows: nothing is certain without it."""
        silent = tuple(target for target in self.unscraped if target.gone_at is None)
        return silent + tuple(replica for replica in self.present if self.is_silent(replica))


def watched_since(
    first_scraped_at: float, *, window_start: float, stated: float | None = None
) -> float:
    """From when on everything that was handed out was watched.

    ``first_scraped_at``: the first scrape of any replica that hands out tokens; replicas without a
    sidecar may have run on beside it for a while, unless a person ``stated`` another moment.
    Nothing from before ``window_start`` is evidence.
    """
    began = first_scraped_at + RUN_ON_S if stated is None else stated
    return max(began, window_start)


def combined_ring(ids: Iterable[str], replicas: Iterable[Replica]) -> Succession:
    """The keys of all replicas and what is stated about them.

    ``ids``: at least the keys that any of them holds, in natural order. Where replicas differ, the
    newest key is the last that any of them takes for it, and of a key's statements the latest
    counts.
    """
    stated: dict[str, float] = {}
    held: set[str] = set()
    newest: set[str | None] = set()
    for replica in replicas:
        held.update(replica.ring.key_ids)
        newest.add(replica.ring.newest)
        for key_id in replica.ring.key_ids:
            statement = replica.ring.statement_of(key_id)
            if statement is not None:
                stated[key_id] = max(statement.since, stated.get(key_id, statement.since))
    order = tuple(key_id for key_id in ids if key_id in held)
    return Succession(order, next((i for i in reversed(order) if i in newest), None), stated)


def combined_policy(replicas: tuple[Replica, ...]) -> Policy:
    """The weakest of every rule: what holds of a token whichever of the replicas it is shown to."""
    lifetimes = [replica.policy.max_lifetime_s for replica in replicas]
    return Policy(
        is_switch_enforced=bool(replicas)
        and all(replica.policy.is_switch_enforced for replica in replicas),
        max_lifetime_s=max(lifetimes) if lifetimes and all(lifetimes) else 0.0,
        leeway_s=max((replica.policy.leeway_s for replica in replicas), default=0.0),
    )


def combined_evidence(fleet: Fleet, key_id: str) -> Evidence:
    """The key's presented tokens as all replicas saw them, past ones too.

    A token that was shown to several replicas is live on each: ``live_tokens`` is of the present
    replicas, and an upper bound.
    """
    pages = [replica.seen(key_id) for replica in fleet.replicas]
    return Evidence(
        accepted_total=sum(page.accepted_total for page in pages),
        last_used_at=latest(page.last_used_at for page in pages),
        newest_issued_at=latest(page.newest_issued_at for page in pages),
        latest_expiry_at=latest(page.latest_expiry_at for page in pages),
        has_unbounded=any(page.has_unbounded for page in pages),
        live_tokens=sum(replica.seen(key_id).live_tokens for replica in fleet.present),
        refused_total=sum(page.refused_total for page in pages),
        last_refused_at=latest(page.last_refused_at for page in pages),
        refused_after_switch=sum(page.refused_after_switch for page in pages),
        longest_lifetime_s=latest(page.longest_lifetime_s for page in pages),
    )


def latest(moments: Iterable[float | None]) -> float | None:
    """The latest of the moments that are known."""
    return max((moment for moment in moments if moment is not None), default=None)
