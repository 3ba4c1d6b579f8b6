"""The ledger of what is handed out: each key's tokens in the answers of the service beside us.

A token is entered before its caller has it. It counts and remembers extremes, judges nothing and
keeps no token. Tokens that no key of the keyring verifies are counted apart (``unknown``): a signer
that ran ahead, whose callers are about to be refused.

Called by the proxy where ``auth.issues`` is configured; read by metrics, reports and snapshots.
"""

from collections.abc import Mapping
from math import floor
from typing import Protocol

from sidecar.rotation.evidence import Issued, Watch
from sidecar.rotation.moment import LAST_MOMENT


class IssuedToken(Protocol):
    """What is used of a token that is handed out. Times are whole unix seconds."""

    @property
    def key_id(self) -> str: ...
    @property
    def issued_at(self) -> int | None: ...
    @property
    def expires_at(self) -> int | None: ...


class IssuedPage:
    """One key's page; only ``Issuing`` writes it. Times are unix seconds."""

    __slots__ = (
        "first_issued_at",
        "has_unbounded",
        "latest_expiry_at",
        "longest_lifetime_s",
        "newest_issued_at",
        "refused_total",
        "total",
    )

    def __init__(self, seen: Issued) -> None:
        self.total = seen.total
        self.first_issued_at = seen.first_issued_at
        self.newest_issued_at = seen.newest_issued_at
        self.latest_expiry_at = seen.latest_expiry_at
        self.has_unbounded = seen.has_unbounded
        self.refused_total = seen.refused_total
        self.longest_lifetime_s = seen.longest_lifetime_s

    def enter(self, issued_at: int | None, expires_at: int | None, now: float) -> None:
        """Enter a token that is about to be handed out."""
        self.total += 1
        at = _clamped(floor(now) if issued_at is None else issued_at)
        if self.first_issued_at is None or at < self.first_issued_at:
            self.first_issued_at = at
        if self.newest_issued_at is None or at > self.newest_issued_at:
            self.newest_issued_at = at
        if expires_at is None:
            self.has_unbounded = True
            return
        expiry = _clamped(expires_at)
        if self.latest_expiry_at is None or expiry > self.latest_expiry_at:
            self.latest_expiry_at = expiry
        if self.longest_lifetime_s is None or expiry - at > self.longest_lifetime_s:
            self.longest_lifetime_s = expiry - at

    def value(self) -> Issued:
        """The page as a value."""
        return Issued(
            total=self.total,
            first_issued_at=self.first_issued_at,
            newest_issued_at=self.newest_issued_at,
            latest_expiry_at=self.latest_expiry_at,
            has_unbounded=self.has_unbounded,
            refused_total=self.refused_total,
            longest_lifetime_s=self.longest_lifetime_s,
        )


class Issuing:
    """What was handed out, since when the watching is whole, and whether it has ended.

    ``scope`` tells what is watched (it changes with ``auth.issues``): memory of another scope says
    nothing about the paths of this one. ``seen`` is what was remembered, if anything.
    """

    def __init__(self, *, scope: str, unwatched_until: float | None, seen: Watch | None = None):
        seen = seen or Watch()
        self.scope = scope
        self.unwatched_until = unwatched_until
        self.ended_at: float | None = None
        self.unreadable: dict[str, int] = {}  # reason -> answers
        self._pages = {key_id: IssuedPage(issued) for key_id, issued in seen.issued.items()}
        self._unknown = IssuedPage(seen.unknown)

    def issued(self, token: IssuedToken, now: float) -> None:
        """A verified token is about to be handed out."""
        self._page(token.key_id).enter(token.issued_at, token.expires_at, now)

    def issued_unknown(
        self, claimed_issued_at: int | None, claimed_expires_at: int | None, now: float
    ) -> None:
        """A token that no key of the keyring verifies is about to be handed out."""
        self._unknown.enter(claimed_issued_at, claimed_expires_at, now)

    def refused(self, key_id: str) -> None:
        """An enforced switch kept a token of the key from being handed out."""
        self._page(key_id).refused_total += 1

    def unreadable_answer(self, reason: str, now: float) -> None:
        """An answer that should have been readable was not: it may hold a token of any key."""
        self.unreadable[reason] = self.unreadable.get(reason, 0) + 1
        self.unwatched(now)

    def unwatched(self, now: float) -> None:
        """Until now, anything may have been handed out unseen."""
        self.unwatched_until = max(now, self.unwatched_until or now)

    def end(self, now: float) -> None:
        """The last word: the last answer is out."""
        if self.ended_at is None:
            self.ended_at = now

    def watch(self) -> Watch:
        """Everything as a value."""
        return Watch(
            issued={key_id: page.value() for key_id, page in self._pages.items()},
            unknown=self._unknown.value(),
            unwatched_until=self.unwatched_until,
            ended_at=self.ended_at,
        )

    @property
    def pages(self) -> Mapping[str, IssuedPage]:
        """The keys of which tokens were handed out or held back."""
        return self._pages

    @property
    def unknown(self) -> IssuedPage:
        """The page of the tokens that no key of the keyring verifies."""
        return self._unknown

    def _page(self, key_id: str) -> IssuedPage:
        page = self._pages.get(key_id)
        if page is None:
            page = self._pages[key_id] = IssuedPage(Issued())
        return page


def _clamped(moment: int) -> int:
    """A signer may write a number that no clock shows; none may break a report or a metric."""
    return min(max(moment, 0), LAST_MOMENT)
