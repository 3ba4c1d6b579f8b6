"""A replica's samples to what the rotation room knows of it. No I/O.

One scrape holds all of it: the inverse of ``metrics.tokens`` and ``metrics.issued``. A sample that
is missing is not a zero: without its service, its policy and its beginning, a target is no replica.
Where a store has a sample twice, what promises less is believed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sidecar.fleet.source import Sample, label
from sidecar.rotation.evidence import Evidence, Issued, Watch
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import Replica
from sidecar.rotation.succession import Succession
from sidecar.tokens.keyring import natural_order

BEGINNING: Final = "sidecar_observing_since_timestamp_seconds"
SERVICE: Final = "sidecar_service_info"
KEYS: Final = "sidecar_key_info"
CLOCK: Final = "sidecar_clock_timestamp_seconds"
ISSUING: Final = "sidecar_issuing_unwatched_until_timestamp_seconds"

_DIGEST: Final = "sidecar_keyring_info"
_STATED: Final = "sidecar_key_signing_since_timestamp_seconds"
_ENFORCED: Final = "sidecar_switch_enforced"
_MAX_LIFETIME: Final = "sidecar_token_max_lifetime_seconds"
_LEEWAY: Final = "sidecar_token_leeway_seconds"
_ACCEPTED: Final = "sidecar_tokens_accepted_total"
_LAST_USED: Final = "sidecar_key_last_used_timestamp_seconds"
_LAST_ISSUED: Final = "sidecar_key_last_issued_timestamp_seconds"
_LATEST_EXPIRY: Final = "sidecar_key_latest_expiry_timestamp_seconds"
_LIVE: Final = "sidecar_key_live_tokens"
_REFUSED: Final = "sidecar_key_tokens_rejected_total"
_LAST_REFUSED: Final = "sidecar_key_last_rejected_timestamp_seconds"
_LONGEST: Final = "sidecar_key_longest_lifetime_seconds"
_ENDED: Final = "sidecar_issuing_ended_timestamp_seconds"
_ISSUED: Final = "sidecar_issued_tokens_total"
_ISSUED_FIRST: Final = "sidecar_issued_key_first_timestamp_seconds"
_ISSUED_LAST: Final = "sidecar_issued_key_last_timestamp_seconds"
_ISSUED_EXPIRY: Final = "sidecar_issued_key_latest_expiry_timestamp_seconds"
_ISSUED_LONGEST: Final = "sidecar_issued_key_longest_lifetime_seconds"
_ISSUED_REFUSED: Final = "sidecar_issued_tokens_refused_total"

#: All that a replica is read from.
METRICS: Final = frozenset(
    (
        *(BEGINNING, SERVICE, KEYS, CLOCK, ISSUING, _DIGEST, _STATED, _ENFORCED, _MAX_LIFETIME),
        *(_LEEWAY, _ACCEPTED, _LAST_USED, _LAST_ISSUED, _LATEST_EXPIRY, _LIVE, _REFUSED),
        *(_LAST_REFUSED, _LONGEST, _ENDED, _ISSUED, _ISSUED_FIRST, _ISSUED_LAST, _ISSUED_EXPIRY),
        *(_ISSUED_LONGEST, _ISSUED_REFUSED),
    )
)

#: More than any clock shows and any counter counts.
_LARGEST: Final = 1e15
#: +Inf says that a token has no expiry.
_MAY_BE_ENDLESS: Final = frozenset((_LATEST_EXPIRY, _ISSUED_EXPIRY))
#: The metrics of one line have samples for the same keys.
_TOGETHER: Final = (
    (KEYS, _STATED),
    (_LATEST_EXPIRY, _LAST_ISSUED, _LAST_USED),
    (_ISSUED_LAST, _ISSUED_FIRST, _ISSUED_EXPIRY),
)

#: The label of tokens that no key of the keyring verifies.
_NO_KEY: Final = "none"
_AFTER_SWITCH: Final = "issued_after_switch"


@dataclass(slots=True)
class _Scrape:
    """The samples of one scrape, by metric."""

    by_name: dict[str, list[Sample]] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "_Scrape":
        scrape = cls()
        for sample in samples:
            # What no sidecar says is as good as missing.
            if abs(sample.value) <= _LARGEST or (
                sample.value == math.inf and sample.name in _MAY_BE_ENDLESS
            ):
                scrape.by_name.setdefault(sample.name, []).append(sample)
        return scrape

    def lowest(self, name: str) -> float | None:
        """The value of a metric that has one series, the lowest where a store has it twice; None
        where it is missing."""
        return min((sample.value for sample in self.by_name.get(name, ())), default=None)

    def highest(self, name: str) -> float | None:
        """As ``lowest``, the highest."""
        return max((sample.value for sample in self.by_name.get(name, ())), default=None)

    def by_key(self, name: str) -> dict[str, float]:
        """The value of a gauge for each key; the highest, where a store has one twice."""
        found: dict[str, float] = {}
        for sample in self.by_name.get(name, ()):
            key_id = label(sample.labels, "key")
            found[key_id] = max(found.get(key_id, sample.value), sample.value)
        return found

    def is_whole(self) -> bool:
        """Whether one sidecar said it all, what belongs together is there together, and the end
        where the watch is."""
        if self.lowest(BEGINNING) != self.highest(BEGINNING):
            return False
        wholes = (
            all(self.by_key(first).keys() == self.by_key(other).keys() for other in others)
            for first, *others in _TOGETHER
        )
        keys = self.by_name.get(KEYS, ())
        has_newest = not keys or any(label(key.labels, "generation") == "new" for key in keys)
        watches_to_end = (ISSUING in self.by_name) == (_ENDED in self.by_name)
        return all(wholes) and has_newest and watches_to_end and self._counts_what_was_issued()

    def _counts_what_was_issued(self) -> bool:
        """A count stays when its key has left; it is 0 then, or the key's page is there as well."""
        totals, pages = self.totals(_ISSUED), self.by_key(_ISSUED_LAST).keys()
        return pages <= totals.keys() and {key for key, count in totals.items() if count} <= pages

    def totals(self, name: str) -> dict[str, float]:
        """The sum of a counter's samples for each key."""
        sums: dict[str, float] = {}
        for sample in self.by_name.get(name, ()):
            key_id = label(sample.labels, "key")
            sums[key_id] = sums.get(key_id, 0.0) + sample.value
        return sums


def read_replica(samples: Iterable[Sample], name: str, scraped_at: float) -> Replica | None:
    """The replica that told these samples in one scrape; None: it is not a sidecar's, or samples
    are missing without which nothing is certain.

    ``name``: how people call it. ``scraped_at``: unix seconds of the clock of who scraped.
    """
    scrape = _Scrape.of(samples)
    beginning, leeway_s = scrape.lowest(BEGINNING), scrape.highest(_LEEWAY)
    service = scrape.by_name.get(SERVICE)
    enforces = scrape.lowest(_ENFORCED)
    # 0 bounds nothing, so it is the longest.
    max_lifetime_s = scrape.lowest(_MAX_LIFETIME) and scrape.highest(_MAX_LIFETIME)
    if beginning is None or leeway_s is None or not service or not scrape.is_whole():
        return None
    if enforces is None or max_lifetime_s is None:
        return None
    return Replica(
        service=label(service[0].labels, "service"),
        name=name,
        ring=_ring(scrape),
        policy=Policy(
            is_switch_enforced=enforces == 1,
            max_lifetime_s=max_lifetime_s,
            leeway_s=leeway_s,
        ),
        observing_since=beginning,
        scraped_at=scraped_at,
        presented=_presented(scrape),
        watch=_watch(scrape),
        digest=next((label(s.labels, "digest") for s in scrape.by_name.get(_DIGEST, ())), ""),
    )


def key_ids(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Every key that any of the samples is about, in natural order."""
    found = {label(sample.labels, "key") for sample in samples} - {"", _NO_KEY}
    return tuple(sorted(found, key=natural_order))


def _ring(scrape: _Scrape) -> Succession:
    generations = {
        label(sample.labels, "key"): label(sample.labels, "generation")
        for sample in scrape.by_name.get(KEYS, ())
    }
    newest = next((key_id for key_id, word in generations.items() if word == "new"), None)
    stated = {key_id: since for key_id, since in scrape.by_key(_STATED).items() if since}
    return Succession(sorted(generations, key=natural_order), newest, stated)


def _presented(scrape: _Scrape) -> Mapping[str, Evidence]:
    accepted, live = scrape.totals(_ACCEPTED), scrape.by_key(_LIVE)
    last_used, last_issued = scrape.by_key(_LAST_USED), scrape.by_key(_LAST_ISSUED)
    expiry, longest = scrape.by_key(_LATEST_EXPIRY), scrape.by_key(_LONGEST)
    refused, last_refused = scrape.totals(_REFUSED), scrape.by_key(_LAST_REFUSED)
    late = _Scrape.of(
        sample
        for sample in scrape.by_name.get(_REFUSED, ())
        if label(sample.labels, "reason") == _AFTER_SWITCH
    ).totals(_REFUSED)
    return {
        key_id: Evidence(
            accepted_total=int(accepted.get(key_id, 0)),
            last_used_at=last_used.get(key_id) or None,
            newest_issued_at=last_issued.get(key_id) or None,
            latest_expiry_at=_finite(expiry.get(key_id)),
            has_unbounded=expiry.get(key_id) == math.inf,
            live_tokens=int(live.get(key_id, 0)),
            refused_total=int(refused.get(key_id, 0)),
            last_refused_at=last_refused.get(key_id) or None,
            refused_after_switch=int(late.get(key_id, 0)),
            longest_lifetime_s=longest.get(key_id) or None,
        )
        for key_id in expiry
    }


def _watch(scrape: _Scrape) -> Watch | None:
    if ISSUING not in scrape.by_name:
        return None
    totals, refused = scrape.totals(_ISSUED), scrape.totals(_ISSUED_REFUSED)
    first, last = scrape.by_key(_ISSUED_FIRST), scrape.by_key(_ISSUED_LAST)
    expiry, longest = scrape.by_key(_ISSUED_EXPIRY), scrape.by_key(_ISSUED_LONGEST)
    pages = {
        key_id: Issued(
            total=int(totals.get(key_id, 0)),
            first_issued_at=first.get(key_id) or None,
            newest_issued_at=last.get(key_id) or None,
            latest_expiry_at=_finite(expiry.get(key_id)),
            has_unbounded=expiry.get(key_id) == math.inf,
            refused_total=int(refused.get(key_id, 0)),
            longest_lifetime_s=longest.get(key_id) or None,
        )
        for key_id in last
    }
    return Watch(
        unknown=pages.pop(_NO_KEY, Issued()),
        issued=pages,
        unwatched_until=scrape.highest(ISSUING) or None,
        ended_at=scrape.lowest(_ENDED) or None,
    )


def _finite(at: float | None) -> float | None:
    return None if not at or math.isinf(at) else at
