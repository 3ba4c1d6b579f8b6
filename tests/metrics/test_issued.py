"""The metrics of what is handed out: there from 0, bounded, and honest about the watching."""

from dataclasses import dataclass
from math import inf

import pytest
from prometheus_client import CollectorRegistry

from sidecar.errors import UNREADABLE_REASONS
from sidecar.metrics.issued import IssuedTokens
from sidecar.rotation.issuing import Issuing
from sidecar.tokens.keyring import Key, Keyring

NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    issued_at: int | None = int(NOW)
    expires_at: int | None = int(NOW) + 60


def ring(*ids: str) -> Keyring:
    return Keyring([Key(each, ("RS256",), object(), f"print-{each}", each) for each in ids])


class World:
    def __init__(self, unwatched_until: float | None = None) -> None:
        self.keyring = ring("a", "b")
        self.issuing = Issuing(scope="x", unwatched_until=unwatched_until)
        self.collector = IssuedTokens(self.issuing, lambda: self.keyring)
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self.collector)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def test_every_series_is_there_from_nothing() -> None:
    world = World()
    for key_id, generation in (("a", "old"), ("b", "new"), ("none", "none")):
        total = world.value("sidecar_issued_tokens_total", key=key_id, generation=generation)
        assert total == 0
        for name in ("first_timestamp", "last_timestamp", "latest_expiry_timestamp"):
            assert world.value(f"sidecar_issued_key_{name}_seconds", key=key_id) == 0
    for reason in UNREADABLE_REASONS:
        assert world.value("sidecar_issued_unreadable_total", reason=reason) == 0
    assert world.value("sidecar_issued_tokens_refused_total", key="a") == 0
    assert world.value("sidecar_issued_tokens_refused_total", key="none") is None
    assert world.value("sidecar_issuing_unwatched_until_timestamp_seconds") == 0
    assert world.value("sidecar_issuing_ended_timestamp_seconds") == 0


def test_what_was_handed_out_is_told() -> None:
    world = World(unwatched_until=NOW - 5)
    world.issuing.issued(Token("a"), NOW)
    world.issuing.issued(Token("b", expires_at=None), NOW)
    world.issuing.issued_unknown(int(NOW) - 1, int(NOW) + 9, NOW)
    world.issuing.refused("a")
    world.issuing.unreadable_answer("no_json", NOW)
    assert world.value("sidecar_issued_tokens_total", key="a", generation="old") == 1
    assert world.value("sidecar_issued_tokens_total", key="none", generation="none") == 1
    expiry = "sidecar_issued_key_latest_expiry_timestamp_seconds"
    assert [world.value(expiry, key=key) for key in ("a", "b", "none")] == [NOW + 60, inf, NOW + 9]
    assert world.value("sidecar_issued_tokens_refused_total", key="a") == 1
    assert world.value("sidecar_issuing_unwatched_until_timestamp_seconds") == NOW


def test_a_counter_never_falls_when_a_newer_key_comes() -> None:
    world = World()
    world.issuing.issued(Token("b"), NOW)
    assert world.value("sidecar_issued_tokens_total", key="b", generation="new") == 1
    world.keyring = ring("a", "b", "c")
    world.issuing.issued(Token("b"), NOW)
    assert world.value("sidecar_issued_tokens_total", key="b", generation="new") == 1
    assert world.value("sidecar_issued_tokens_total", key="b", generation="old") == 1
    assert world.value("sidecar_issued_tokens_total", key="c", generation="new") == 0


@pytest.mark.parametrize("is_scraped", [True, False])
def test_the_last_word_is_told_only_once_it_was_scraped(is_scraped: bool) -> None:
    world = World()
    list(world.registry.collect())
    world.issuing.end(NOW)
    assert not world.collector.has_told_end
    if is_scraped:
        list(world.registry.collect())
    assert world.collector.has_told_end is is_scraped


def test_a_key_that_left_before_any_of_its_tokens_got_out_is_told_wholly() -> None:
    """As a sidecar has it that was restarted with its memory: of a page, nothing may be missing."""
    world = World()
    world.issuing.refused("z")
    for name in ("first_timestamp", "last_timestamp", "latest_expiry_timestamp"):
        assert world.value(f"sidecar_issued_key_{name}_seconds", key="z") == 0
    assert world.value("sidecar_issued_tokens_total", key="z", generation="old") == 0
