"""The distinct tokens of one key that are still alive, counted in bounded memory.

Up to ``bound`` tokens the count is exact. Beyond it, this is a sample: a token is kept only while
the last ``level`` bits of its digest are zero (the digest is a SHA-256, so that is chance with
probability ``2 ** -level``), and the count is ``kept * 2 ** level``. The sample never holds fewer
than about half the bound when it is thinned, so right then the standard error of the estimate is
about ``1 / sqrt(bound / 2)``: 0.6 % with the default. While the sampled tokens die off it becomes
coarser (``sqrt(2 ** level * count)`` tokens); it is exact again once the sample has died out and
the tokens that were left out have expired too.

A token is alive until ``exp + leeway``: as long as this replica would still accept it. Refuses to
keep a token itself. Called by the ledger.
"""

import heapq

LIVE_TOKENS_BOUND = 50_000

#: How many of the tokens that are not in the sample are known again when they come again.
LEFT_OUT_BOUND = 20_000

_BUCKET_S = 60
_NEVER = None


class LiveTokens:
    """Digests of live tokens, in buckets by the minute of their expiry.

    Adding and forgetting are O(1) amortised: a bucket is dropped whole, each thinning (tens of
    milliseconds at the default bound) is paid for by the half bound of additions before it, and
    only the first token of a bucket costs a push on the heap.
    """

    __slots__ = (
        "_bound",
        "_buckets",
        "_expiries",
        "_inexact_until",
        "_leeway_s",
        "_mask",
        "kept",
        "left_out",
    )

    def __init__(self, *, leeway_s: float, bound: int = LIVE_TOKENS_BOUND) -> None:
        if bound < 2:
            raise ValueError("the bound must be at least 2")
        self.kept: dict[bytes, int | None] = {}  # digest -> exp; None = never expires
        # Some of those that were added and are not in the sample; again, they change nothing.
        self.left_out: set[bytes] = set()
        self._buckets: dict[int | None, list[bytes]] = {}
        self._expiries: list[int] = []  # heap of the buckets that expire
        self._mask = 0
        self._inexact_until: float = 0.0
        self._leeway_s = leeway_s
        self._bound = bound

    def __repr__(self) -> str:
        return f"<LiveTokens kept={len(self.kept)} one_in={self._mask + 1}>"

    def add(self, digest: bytes, expires_at: int | None, now: float) -> None:
        """Count a token; ``expires_at`` in unix seconds, None = never. Adding it again is fine."""
        if digest in self.kept:
            return
        if self._mask or len(self.kept) >= self._bound:
            self._prune(now)
            while len(self.kept) >= self._bound:
                self._thin()
        if int.from_bytes(digest, "big") & self._mask:
            self._leave_out(expires_at)
            if len(self.left_out) >= LEFT_OUT_BOUND:
                self.left_out.clear()
            self.left_out.add(digest)
        else:
            self._keep(digest, expires_at)

    def count(self, now: float) -> int:
        """How many distinct tokens are alive at ``now``: exact, or the estimate described above."""
        self._prune(now)
        dead = 0
        if self._expiries and self._expiries[0] * _BUCKET_S + self._leeway_s <= now:
            soonest = self._buckets[self._expiries[0]]
            dead = sum(not self.is_alive(self.kept[digest], now) for digest in soonest)
        return (len(self.kept) - dead) * (self._mask + 1)

    def is_alive(self, expires_at: float | None, now: float) -> bool:
        """Whether a token with this ``exp`` (None = none) would still be accepted here."""
        return expires_at is None or expires_at + self._leeway_s > now

    def is_exact(self, now: float) -> bool:
        """Whether ``count(now)`` is the number itself and not an estimate."""
        return self._mask == 0 and now >= self._inexact_until

    def _keep(self, digest: bytes, expires_at: int | None) -> None:
        self.kept[digest] = expires_at
        minute = _NEVER if expires_at is None else expires_at // _BUCKET_S
        bucket = self._buckets.get(minute)
        if bucket is None:
            self._buckets[minute] = [digest]
            if minute is not None:
                heapq.heappush(self._expiries, minute)
        else:
            bucket.append(digest)

    def _leave_out(self, expires_at: int | None) -> None:
        dead_at = float("inf") if expires_at is None else expires_at + self._leeway_s
        self._inexact_until = max(self._inexact_until, dead_at)

    def _prune(self, now: float) -> None:
        expiries = self._expiries
        while expiries and (expiries[0] + 1) * _BUCKET_S + self._leeway_s <= now:
            for digest in self._buckets.pop(heapq.heappop(expiries)):
                del self.kept[digest]
        if not self.kept and self._mask:
            self._mask = 0
            self.left_out.clear()

    def _thin(self) -> None:
        """Double the number of tokens that each kept one stands for, and drop the others."""
        self._mask = self._mask * 2 + 1
        everything = self.kept
        self.kept = {}
        self._buckets = {}
        self._expiries = []
        for digest, expires_at in everything.items():
            if int.from_bytes(digest, "big") & self._mask:
                self._leave_out(expires_at)
            else:
                self._keep(digest, expires_at)
