"""What was seen of tokens and keys, as metrics: the ledger, its verdicts, the keyring, its reloads.

It reads at scrape time and changes nothing that it reads. Key labels are ids of the keyring or of
the ledger, which holds only ids that were once in the keyring. A timestamp of 0 means "never": a
zero that was scraped is evidence, a missing sample is not.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sidecar.errors import TOKEN_REASONS
from sidecar.metrics.families import gauges
from sidecar.metrics.generations import GenerationTally
from sidecar.rotation.contradiction import find_contradictions
from sidecar.rotation.evidence import Evidence
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.live import LIVE_TOKENS_BOUND
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Basis, State, Verdict, judge
from sidecar.tokens.keyring import Keyring

#: Every result of ``sidecar_keyring_reloads_total``.
RELOAD_RESULTS = ("ok", "partial", "failed")

#: Reasons that are found before any signature holds: their generation is always ``none``.
_BEFORE_SIGNATURE = frozenset(
    (
        "missing",
        "malformed",
        "too_large",
        "unknown_key",
        "algorithm_not_allowed",
        "bad_signature",
        "duplicate",
        "keys_unavailable",
    )
)
_AFTER_SIGNATURE = tuple(reason for reason in TOKEN_REASONS if reason not in _BEFORE_SIGNATURE)
#: Reasons that need no token: an access rule forbids, or a key was revoked by name.
_ON_EITHER_SIDE = frozenset(("forbidden", "revoked"))


class KeyStoreStatus(Protocol):
    """What the metrics read of the key store."""

    @property
    def current(self) -> Keyring: ...
    @property
    def last_success_at(self) -> float | None: ...
    @property
    def reloads(self) -> Mapping[str, int]: ...


@dataclass(eq=False, slots=True)
class Tokens(Collector):
    """The collector. ``refuses``: tokens are refused for real (``auth.mode: enforce``)."""

    ledger: Ledger
    keys: KeyStoreStatus
    policy: Policy
    refuses: bool
    clock: Callable[[], float]
    _tally: GenerationTally = field(default_factory=GenerationTally)

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment, all from one keyring."""
        now, keyring = self.clock(), self.keys.current
        key_ids = tuple(dict.fromkeys((*keyring.order, *self.ledger.key_ids)))
        evidence = self.ledger.evidence(key_ids, now)
        verdicts = judge(
            Succession(keyring.by_id, keyring.newest, keyring.signing_since),
            evidence,
            self.policy,
            observing_since=self.ledger.observing_since,
            now=now,
            watch=self.ledger.watch(),
        )
        totals = {key_id: seen.accepted_total for key_id, seen in evidence.items()}
        yield _accepted(self._tally.update(keyring, totals))
        yield _rejected(self.ledger.rejections, self.refuses)
        yield from _seen(evidence)
        yield from _keyring(keyring)
        yield _refused(self.ledger, evidence)
        yield from _retirable(verdicts)
        yield self._contradicted(keyring)
        yield from _reloads(self.keys)
        yield from _terms(self.policy, self.ledger.observing_since)

    def _contradicted(self, keyring: Keyring) -> Metric:
        found = find_contradictions(self.ledger, keyring.closed_since, self.policy.leeway_s)
        return gauges(
            "sidecar_key_switch_contradicted",
            "Whether a token of the key, presented or handed out, was issued after the stated "
            "switch to a newer one.",
            "key",
            {key_id: key_id in found for key_id in keyring.order},
        )


def _accepted(tally: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(
        "sidecar_tokens_accepted",
        "Tokens that were verified and let in, by the key that signed them.",
        labels=("key", "generation"),
    )
    for labels, count in tally.items():
        family.add_metric(labels, count)
    return family


def _rejected(rejections: Mapping[tuple[str, str, bool], int], refuses: bool) -> Metric:
    family = CounterMetricFamily(
        "sidecar_tokens_rejected",
        "Tokens that were refused, or (enforced=false) would have been; "
        "generation is that of the key whose signature held.",
        labels=("reason", "generation", "enforced"),
    )
    totals = _no_rejections(refuses)
    totals.update(rejections)
    for (reason, generation, enforced), count in totals.items():
        family.add_metric((reason, generation, str(enforced).lower()), count)
    return family


def _no_rejections(refuses: bool) -> dict[tuple[str, str, bool], int]:
    """Every rejection that is to be expected, at 0, so that its first shows in a rate."""
    expected: dict[tuple[str, str, bool], int] = {}
    for reason in TOKEN_REASONS:
        if reason not in _BEFORE_SIGNATURE:
            expected[(reason, "new", refuses)] = expected[(reason, "old", refuses)] = 0
        if reason in _BEFORE_SIGNATURE | _ON_EITHER_SIDE:
            expected[(reason, "none", refuses)] = 0
    return expected


def _seen(evidence: Mapping[str, Evidence]) -> Iterator[Metric]:
    yield gauges(
        "sidecar_key_live_tokens",
        "Distinct unexpired tokens of the key seen here; "
        f"beyond {LIVE_TOKENS_BOUND:,} an estimate.",
        "key",
        {key_id: seen.live_tokens for key_id, seen in evidence.items()},
    )
    yield gauges(
        "sidecar_key_last_used_timestamp_seconds",
        "When a token of the key was last accepted; 0 = never.",
        "key",
        {key_id: seen.last_used_at or 0 for key_id, seen in evidence.items()},
    )
    yield gauges(
        "sidecar_key_last_issued_timestamp_seconds",
        "The newest iat of the key's tokens that were presented, refused ones too; 0 = none.",
        "key",
        {key_id: seen.newest_issued_at or 0 for key_id, seen in evidence.items()},
    )
    yield gauges(
        "sidecar_key_latest_expiry_timestamp_seconds",
        "The latest exp of the key's accepted tokens; 0 = none, +Inf = one had no exp.",
        "key",
        {
            key_id: float("inf") if seen.has_unbounded else seen.latest_expiry_at or 0
            for key_id, seen in evidence.items()
        },
    )
    yield gauges(
        "sidecar_key_longest_lifetime_seconds",
        "The longest exp - iat of the key's accepted tokens; 0 = none.",
        "key",
        {key_id: seen.longest_lifetime_s or 0 for key_id, seen in evidence.items()},
    )
    yield gauges(
        "sidecar_key_last_rejected_timestamp_seconds",
        "When a token of the key was last refused, or would have been; 0 = never.",
        "key",
        {key_id: seen.last_refused_at or 0 for key_id, seen in evidence.items()},
    )


def _refused(ledger: Ledger, evidence: Mapping[str, Evidence]) -> Metric:
    family = CounterMetricFamily(
        "sidecar_key_tokens_rejected",
        "Tokens that the key signed and that were refused, or would have been.",
        labels=("key", "reason"),
    )
    for key_id in evidence:
        totals = dict.fromkeys(_AFTER_SIGNATURE, 0) | ledger.usage(key_id).refused_totals
        for reason, count in totals.items():
            family.add_metric((key_id, reason), count)
    return family


def _keyring(keyring: Keyring) -> Iterator[Metric]:
    yield gauges(
        "sidecar_key_signing_since_timestamp_seconds",
        "From when on all signers are stated to use the key; 0 = not stated.",
        "key",
        {key_id: keyring.signing_since.get(key_id, 0) for key_id in keyring.order},
    )
    keys = InfoMetricFamily(
        "sidecar_key",
        "The keys of the keyring.",
        labels=("key", "generation", "algorithm", "thumbprint", "source"),
    )
    for key in keyring.by_id.values():
        generation = keyring.generation(key.id)
        keys.add_metric((key.id, generation, key.algorithm, key.thumbprint, key.source), {})
    yield keys
    yield InfoMetricFamily(
        "sidecar_keyring",
        "The keyring's digest: the same on every replica with the same keys.",
        value={"digest": keyring.digest},
    )
    yield gauges(
        "sidecar_key_revoked",
        "1 for each key id that was taken out by name.",
        "key",
        dict.fromkeys(keyring.revoked, 1),
    )
    yield GaugeMetricFamily(
        "sidecar_revoked_tokens",
        "How many tokens are taken out one by one.",
        value=len(keyring.revoked_tokens),
    )


def _retirable(verdicts: Mapping[str, Verdict]) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        "sidecar_key_retirable",
        "Whether the key may go on this basis, as far as this replica can tell.",
        labels=("key", "basis"),
    )
    dates = GaugeMetricFamily(
        "sidecar_key_retirable_timestamp_seconds",
        "When the key may go on this basis, as far as this replica can tell; 0 = no date.",
        labels=("key", "basis"),
    )
    for key_id, verdict in verdicts.items():
        for basis in Basis:
            is_it = verdict.basis is basis
            family.add_metric((key_id, basis), is_it and verdict.state is State.RETIRABLE)
            dates.add_metric((key_id, basis), (is_it and verdict.retirable_at) or 0)
    yield from (family, dates)


def _reloads(keys: KeyStoreStatus) -> Iterator[Metric]:
    family = CounterMetricFamily(
        "sidecar_keyring_reloads",
        "Changes of the key sources that were read: wholly, partly, or not at all.",
        labels=("result",),
    )
    for result, count in (dict.fromkeys(RELOAD_RESULTS, 0) | dict(keys.reloads)).items():
        family.add_metric((result,), count)
    yield family
    yield GaugeMetricFamily(
        "sidecar_keyring_last_success_timestamp_seconds",
        "When the key sources were last read without an error; 0 = never.",
        value=keys.last_success_at or 0,
    )


def _terms(policy: Policy, observing_since: float) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "sidecar_switch_enforced",
        "Whether older keys' tokens issued after a stated switch are refused.",
        value=float(policy.is_switch_enforced),
    )
    yield GaugeMetricFamily(
        "sidecar_token_max_lifetime_seconds",
        "The enforced bound of exp - iat; 0 = not enforced.",
        value=policy.max_lifetime_s,
    )
    yield GaugeMetricFamily(
        "sidecar_token_leeway_seconds",
        "How far clocks may differ.",
        value=policy.leeway_s,
    )
    yield GaugeMetricFamily(
        "sidecar_observing_since_timestamp_seconds",
        "Since when this replica has counted what is above.",
        value=observing_since,
    )
