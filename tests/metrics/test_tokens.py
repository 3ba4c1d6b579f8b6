"""The token and key metrics: complete, bounded, and honest about what was never seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

import pytest
from prometheus_client import CollectorRegistry

from sidecar.errors import TOKEN_REASONS
from sidecar.metrics.tokens import Tokens
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy
from sidecar.tokens.keyring import Key, Keyring

NOW = 1_800_000_000.0
M = 3_600.0


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    digest: bytes = b"0123456789abcdef"
    issued_at: int | None = int(NOW) - 100
    expires_at: int | None = int(NOW) + 500


@dataclass
class Store:
    current: Keyring
    last_success_at: float | None = NOW - 5
    reloads: dict[str, int] = field(default_factory=dict)


def ring(*ids: str, **signing_since: float) -> Keyring:
    keys = [Key(key_id, ("RS256",), object(), f"print-{key_id}", f"/k/{key_id}") for key_id in ids]
    return Keyring(keys, signing_since=signing_since)


class World:
    """A ledger, a keyring and a clock, with the collector over them."""

    def __init__(self, keyring: Keyring, *, enforces: bool = True) -> None:
        self.now = NOW
        self.ledger = Ledger(observing_since=NOW - 60, leeway_s=30)
        self.store = Store(keyring)
        self.registry = CollectorRegistry(auto_describe=True)
        policy = Policy(is_switch_enforced=enforces, max_lifetime_s=M, leeway_s=30)
        self.registry.register(Tokens(self.ledger, self.store, policy, enforces, lambda: self.now))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def labels(self, name: str) -> Iterator[dict[str, str]]:
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == name:
                    yield sample.labels


def test_accepted_tokens_are_counted_by_key_and_generation() -> None:
    world = World(ring("a", "b"))
    world.ledger.accepted(Token("a"), NOW)
    world.ledger.accepted(Token("a"), NOW)
    assert world.value("sidecar_tokens_accepted_total", key="a", generation="old") == 2
    assert world.value("sidecar_tokens_accepted_total", key="b", generation="new") == 0


def test_a_key_that_grows_old_keeps_what_was_counted_when_it_was_new() -> None:
    world = World(ring("a"))
    world.ledger.accepted(Token("a"), NOW)
    name = "sidecar_tokens_accepted_total"
    assert world.value(name, key="a", generation="new") == 1
    world.store.current = ring("a", "b")
    world.ledger.accepted(Token("a"), NOW)
    world.ledger.accepted(Token("a"), NOW)
    assert world.value(name, key="a", generation="new") == 1
    assert world.value(name, key="a", generation="old") == 2
    world.ledger.accepted(Token("a"), NOW)
    world.store.current = ring("b")
    assert world.value(name, key="a", generation="old") == 3


def test_every_rejection_has_a_series_before_its_first_occurrence() -> None:
    shown = list(World(ring("a")).labels("sidecar_tokens_rejected_total"))
    assert {labels["reason"] for labels in shown} == set(TOKEN_REASONS)
    assert {labels["enforced"] for labels in shown} == {"true"}
    assert {"reason": "expired", "generation": "old", "enforced": "true"} in shown
    assert {"reason": "missing", "generation": "none", "enforced": "true"} in shown


def test_where_nothing_is_refused_the_series_say_so() -> None:
    world = World(ring("a"), enforces=False)
    world.ledger.rejected("expired", "new", "a", False, NOW)
    shown = list(world.labels("sidecar_tokens_rejected_total"))
    assert {labels["enforced"] for labels in shown} == {"false"}
    name = "sidecar_tokens_rejected_total"
    assert world.value(name, reason="expired", generation="new", enforced="false") == 1


def test_what_was_seen_of_a_key_is_exported() -> None:
    world = World(ring("a", "b"))
    world.ledger.accepted(Token("a"), NOW - 7)
    assert world.value("sidecar_key_live_tokens", key="a") == 1
    assert world.value("sidecar_key_last_used_timestamp_seconds", key="a") == NOW - 7
    assert world.value("sidecar_key_last_issued_timestamp_seconds", key="a") == NOW - 100
    assert world.value("sidecar_key_latest_expiry_timestamp_seconds", key="a") == NOW + 500


@pytest.mark.parametrize(
    "name",
    [
        "sidecar_key_live_tokens",
        "sidecar_key_last_used_timestamp_seconds",
        "sidecar_key_last_issued_timestamp_seconds",
        "sidecar_key_latest_expiry_timestamp_seconds",
        "sidecar_key_signing_since_timestamp_seconds",
    ],
)
def test_what_never_happened_to_a_key_is_a_zero_and_not_a_gap(name: str) -> None:
    assert World(ring("a")).value(name, key="a") == 0


def test_a_token_without_expiry_shows_as_infinity() -> None:
    world = World(ring("a"))
    world.ledger.accepted(Token("a", expires_at=None), NOW)
    assert world.value("sidecar_key_latest_expiry_timestamp_seconds", key="a") == inf


def test_usage_stays_after_a_key_left_the_keyring_but_nothing_else_of_it() -> None:
    world = World(ring("a", "b"))
    world.ledger.accepted(Token("a"), NOW)
    world.store.current = ring("b")
    assert world.value("sidecar_key_last_used_timestamp_seconds", key="a") == NOW
    assert [labels["key"] for labels in world.labels("sidecar_key_info")] == ["b"]
    assert {labels["key"] for labels in world.labels("sidecar_key_retirable")} == {"b"}


def test_the_verdict_is_exported_with_its_basis() -> None:
    world = World(ring("a", "b", b=NOW))
    name = "sidecar_key_retirable"
    world.now = NOW + M + 89
    assert world.value(name, key="a", basis="enforced") == 0
    world.now = NOW + M + 90
    assert world.value(name, key="a", basis="enforced") == 1
    assert world.value(name, key="a", basis="declared") == 0
    assert world.value(name, key="b", basis="enforced") == 0


def test_the_keyring_and_its_reloads_are_exported() -> None:
    world = World(ring("a", "b", b=NOW - 50))
    world.store.reloads["failed"] = 2
    assert world.value(
        "sidecar_key_info",
        key="b",
        generation="new",
        algorithm="RS256",
        thumbprint="print-b",
        source="/k/b",
    )
    digest = world.store.current.digest
    assert world.value("sidecar_keyring_info", digest=digest) == 1
    assert world.value("sidecar_key_signing_since_timestamp_seconds", key="b") == NOW - 50
    assert world.value("sidecar_keyring_reloads_total", result="failed") == 2
    assert world.value("sidecar_keyring_reloads_total", result="ok") == 0
    assert world.value("sidecar_keyring_last_success_timestamp_seconds") == NOW - 5


def test_a_keyring_that_was_never_read_is_exported_as_such() -> None:
    world = World(Keyring.EMPTY)
    world.store.last_success_at = None
    assert world.value("sidecar_keyring_last_success_timestamp_seconds") == 0
    assert list(world.labels("sidecar_key_info")) == []


def test_the_terms_of_the_verdict_are_exported() -> None:
    world = World(ring("a"))
    assert world.value("sidecar_switch_enforced") == 1
    assert world.value("sidecar_token_max_lifetime_seconds") == M
    assert world.value("sidecar_token_leeway_seconds") == 30
    assert world.value("sidecar_observing_since_timestamp_seconds") == NOW - 60
