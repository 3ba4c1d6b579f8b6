"""What is handed out, as metrics; there at all only where ``auth.issues`` is configured.

It reads at scrape time what the proxy entered. ``key="none"`` are the tokens that no key of the
keyring verifies. A timestamp of 0 means "never", and every series is there from the start.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.errors import UNREADABLE_REASONS
from sidecar.metrics.families import counters, gauges
from sidecar.metrics.generations import GenerationTally
from sidecar.rotation.evidence import Issued
from sidecar.rotation.issuing import Issuing
from sidecar.tokens.keyring import Keyring

_NONE = "none"


@dataclass(eq=False, slots=True)
class IssuedTokens(Collector):
    """The collector. ``has_told_end``: the moment at which it ended was scraped."""

    issuing: Issuing
    keyring: Callable[[], Keyring]
    has_told_end: bool = False
    _tally: GenerationTally = field(default_factory=GenerationTally)

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        keyring, watch = self.keyring(), self.issuing.watch()
        pages = {
            key_id: watch.of(key_id)
            for key_id in dict.fromkeys((*keyring.order, *watch.issued))
            if key_id != _NONE
        }
        yield self._totals(keyring, pages, watch.unknown.total)
        yield from _moments({**pages, _NONE: watch.unknown})
        yield counters(
            "sidecar_issued_tokens_refused",
            "Tokens of the key that an enforced switch kept from being handed out.",
            "key",
            {key_id: page.refused_total for key_id, page in pages.items()},
        )
        yield _unreadable(self.issuing.unreadable)
        yield GaugeMetricFamily(
            "sidecar_issuing_unwatched_until_timestamp_seconds",
            "The last moment at which a token may have been handed out unseen; 0 = watched from "
            "birth.",
            value=watch.unwatched_until or 0,
        )
        yield GaugeMetricFamily(
            "sidecar_issuing_ended_timestamp_seconds",
            "When the last answer was out, and nothing will be handed out any more; 0 = not yet.",
            value=watch.ended_at or 0,
        )
        self.has_told_end = watch.ended_at is not None

    def _totals(self, keyring: Keyring, pages: Mapping[str, Issued], unknown: int) -> Metric:
        family = CounterMetricFamily(
            "sidecar_issued_tokens",
            "Tokens that this service handed out, by the key that signed them; none = a key that "
            "the keyring does not have.",
            labels=("key", "generation"),
        )
        totals = {key_id: page.total for key_id, page in pages.items()}
        for labels, count in self._tally.update(keyring, totals).items():
            family.add_metric(labels, count)
        family.add_metric((_NONE, _NONE), unknown)
        return family


def _moments(pages: Mapping[str, Issued]) -> Iterator[Metric]:
    yield gauges(
        "sidecar_issued_key_first_timestamp_seconds",
        "The oldest iat of the key's tokens that were handed out; 0 = none.",
        "key",
        {key_id: page.first_issued_at or 0 for key_id, page in pages.items()},
    )
    yield gauges(
        "sidecar_issued_key_last_timestamp_seconds",
        "The newest iat of the key's tokens that were handed out; 0 = none.",
        "key",
        {key_id: page.newest_issued_at or 0 for key_id, page in pages.items()},
    )
    yield gauges(
        "sidecar_issued_key_latest_expiry_timestamp_seconds",
        "The latest exp of the key's tokens that were handed out; 0 = none, +Inf = one had no exp.",
        "key",
        {
            key_id: float("inf") if page.has_unbounded else page.latest_expiry_at or 0
            for key_id, page in pages.items()
        },
    )
    yield gauges(
        "sidecar_issued_key_longest_lifetime_seconds",
        "The longest exp - iat of the key's tokens that were handed out; 0 = none.",
        "key",
        {key_id: page.longest_lifetime_s or 0 for key_id, page in pages.items()},
    )


def _unreadable(counts: Mapping[str, int]) -> Metric:
    return counters(
        "sidecar_issued_unreadable",
        "Answers that should have held a readable token and did not, by reason.",
        "reason",
        {reason: counts.get(reason, 0) for reason in UNREADABLE_REASONS},
    )
