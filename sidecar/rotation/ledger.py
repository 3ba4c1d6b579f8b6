"""The ledger: what this replica saw of each key in real traffic.

It counts and remembers extremes; it judges nothing (``verdict`` does) and keeps no token, only
digests of live ones (``live``). The key ids in it come from tokens whose signature held, so only
ids that were in the keyring at some time ever appear; they are never forgotten, since a key that
left may come back. What is handed out has a ledger of its own (``issuing``). Called by the proxy
for every token; read by the metrics, the keys report and ``snapshot``.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sidecar.rotation.evidence import NOTHING_SEEN, Evidence, Watch
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.live import LIVE_TOKENS_BOUND, LiveTokens
from sidecar.rotation.moment import LAST_MOMENT
from sidecar.rotation.subjects import Subjects

#: The reason with which an older key's token is refused under an enforced switch.
AFTER_SWITCH = "issued_after_switch"


class SeenToken(Protocol):
    """What the ledger uses of a verified token. Times are whole unix seconds."""

    @property
    def key_id(self) -> str: ...
    @property
    def digest(self) -> bytes: ...
    @property
    def issued_at(self) -> int | None: ...
    @property
    def expires_at(self) -> int | None: ...


class KeyUsage:
    """One key's page of the ledger; only the ledger writes it. Times are unix seconds."""

    __slots__ = (
        "accepted_total",
        "has_unbounded",
        "key_id",
        "last_refused_at",
        "last_used_at",
        "latest_expiry_at",
        "live",
        "longest_lifetime_s",
        "newest_issued_at",
        "refused_totals",
    )

    def __init__(self, key_id: str, live: LiveTokens) -> None:
        self.key_id = key_id
        self.accepted_total = 0
        self.last_used_at: float | None = None
        self.newest_issued_at: float | None = None
        self.latest_expiry_at: float | None = None
        self.longest_lifetime_s: float | None = None
        self.has_unbounded = False  # a token without exp was accepted
        self.refused_totals: dict[str, int] = {}  # reason -> tokens whose signature held
        self.last_refused_at: float | None = None
        self.live = live

    def __repr__(self) -> str:
        return f"<KeyUsage {self.key_id!r} accepted={self.accepted_total} {self.live!r}>"

    def live_tokens(self, now: float) -> int:
        """Distinct live tokens: exact up to the bound of ``live``, beyond it an estimate.

        An estimate is never 0 while the token with the latest expiry is certainly alive.
        """
        return self.live.count(now) or int(self._is_any_alive(now))

    def evidence(self, now: float) -> Evidence:
        """The page as a value."""
        return Evidence(
            accepted_total=self.accepted_total,
            last_used_at=self.last_used_at,
            newest_issued_at=self.newest_issued_at,
            latest_expiry_at=self.latest_expiry_at,
            has_unbounded=self.has_unbounded,
            live_tokens=self.live_tokens(now),
            refused_total=sum(self.refused_totals.values()),
            last_refused_at=self.last_refused_at,
            refused_after_switch=self.refused_totals.get(AFTER_SWITCH, 0),
            longest_lifetime_s=self.longest_lifetime_s,
        )

    def enter(self, token: SeenToken, now: float) -> None:
        """Enter a token that is not among the live ones that are known."""
        self.note_issue(token.issued_at)
        expires_at = _clamped(token.expires_at)
        if expires_at is None:
            self.has_unbounded = True
        else:
            self._note_expiry(expires_at, token.issued_at)
        self.live.add(token.digest, expires_at, now)

    def note_issue(self, issued_at: int | None) -> None:
        """Somebody signed with the key at ``issued_at``."""
        at = _clamped(issued_at)
        if at is not None and (self.newest_issued_at is None or at > self.newest_issued_at):
            self.newest_issued_at = at

    def _note_expiry(self, expires_at: int, issued_at: int | None) -> None:
        if self.latest_expiry_at is None or expires_at > self.latest_expiry_at:
            self.latest_expiry_at = expires_at
        if issued_at is not None:
            lifetime_s = expires_at - min(max(issued_at, 0), LAST_MOMENT)
            if self.longest_lifetime_s is None or lifetime_s > self.longest_lifetime_s:
                self.longest_lifetime_s = lifetime_s

    def _is_any_alive(self, now: float) -> bool:
        return self.has_unbounded or (
            self.latest_expiry_at is not None and self.live.is_alive(self.latest_expiry_at, now)
        )


class Ledger:
    """What was seen of every key since ``observing_since`` (unix seconds)."""

    def __init__(
        self,
        *,
        observing_since: float,
        leeway_s: float,
        live_bound: int = LIVE_TOKENS_BOUND,
        issuing: Issuing | None = None,
        subjects: Subjects | None = None,
    ) -> None:
        self.observing_since = observing_since
        #: What is handed out; None = this service hands out no tokens, or nobody looks.
        self.issuing = issuing
        #: Who brings tokens of old keys; None = nobody wants to know.
        self.subjects = subjects
        self._leeway_s = leeway_s
        self._live_bound = live_bound
        self._pages: dict[str, KeyUsage] = {}
        self._rejections: dict[tuple[str, str, bool], int] = {}

    def accepted(self, token: SeenToken, now: float) -> None:
        """A verified token was let in at ``now``. The hot path: a known token is nearly free."""
        page = self._pages.get(token.key_id)
        if page is None:
            page = self.usage(token.key_id)
        page.accepted_total += 1
        last = page.last_used_at
        if last is None or now > last:
            page.last_used_at = now
        live = page.live
        if token.digest not in live.kept and token.digest not in live.left_out:
            page.enter(token, now)

    def rejected(
        self,
        reason: str,
        generation: str,
        key_id: str | None,
        enforced: bool,
        now: float,
        issued_at: int | None = None,
    ) -> None:
        """A token was refused, or with ``enforced=False`` would have been.

        ``reason`` and ``generation`` are words of the contract's closed sets. ``key_id``, its
        token's ``issued_at`` (unix seconds) and a generation other than ``none`` are given only
        where the key's signature held.
        """
        entry = (reason, generation, enforced)
        self._rejections[entry] = self._rejections.get(entry, 0) + 1
        if key_id is not None:
            page = self.usage(key_id)
            page.refused_totals[reason] = page.refused_totals.get(reason, 0) + 1
            page.last_refused_at = now
            page.note_issue(issued_at)

    def usage(self, key_id: str) -> KeyUsage:
        """The key's page, an empty one if nothing was seen. For key ids of the keyring only."""
        page = self._pages.get(key_id)
        if page is None:
            live = LiveTokens(leeway_s=self._leeway_s, bound=self._live_bound)
            page = self._pages[key_id] = KeyUsage(key_id, live)
        return page

    def newest_issued_at(self, key_id: str) -> float | None:
        """When the key signed last, as far as any token tells: presented or handed out."""
        presented = self._pages.get(key_id)
        handed_out = None if self.issuing is None else self.issuing.pages.get(key_id)
        moments = [page.newest_issued_at for page in (presented, handed_out) if page is not None]
        return max((moment for moment in moments if moment is not None), default=None)

    def watch(self) -> Watch | None:
        """What was handed out, as a value; None = nobody watches it."""
        return None if self.issuing is None else self.issuing.watch()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Every key id that has a page, in the order in which they appeared."""
        return tuple(self._pages)

    @property
    def rejections(self) -> Mapping[tuple[str, str, bool], int]:
        """(reason, generation, enforced) -> refused tokens."""
        return self._rejections

    def remember(
        self, pages: Mapping[str, KeyUsage], rejections: Mapping[tuple[str, str, bool], int]
    ) -> None:
        """Go on from what an earlier run of this replica had seen. Called before anything else."""
        self._pages.update(pages)
        self._rejections.update(rejections)

    def evidence(self, key_ids: Iterable[str], now: float) -> dict[str, Evidence]:
        """What was seen of each of these keys up to ``now``."""
        return {
            key_id: page.evidence(now) if (page := self._pages.get(key_id)) else NOTHING_SEEN
            for key_id in key_ids
        }


def _clamped(moment: int | None) -> int | None:
    """A signer may write a number that no clock shows; none may break a report or a metric."""
    return moment if moment is None else min(max(moment, 0), LAST_MOMENT)
