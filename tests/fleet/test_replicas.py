"""A replica is what its sidecar's samples say, and never more than they say."""

from collections.abc import Mapping

import pytest

from sidecar.fleet.replicas import read_replica
from sidecar.fleet.source import Sample
from sidecar.rotation.replica import Replica

NOW = 1_795_428_000.0
SAID = {
    "sidecar_observing_since_timestamp_seconds": NOW - 3600,
    "sidecar_switch_enforced": 1.0,
    "sidecar_token_max_lifetime_seconds": 7200.0,
    "sidecar_token_leeway_seconds": 30.0,
    "sidecar_issuing_unwatched_until_timestamp_seconds": 0.0,
    "sidecar_issuing_ended_timestamp_seconds": NOW - 60,
}


def samples(said: Mapping[str, float], **labels: str) -> list[Sample]:
    place = {"job": "sidecars", "instance": "10.0.0.1:15020", **labels}
    named = {**place, "service": "users", "version": "v1", "commit": "c"}
    return [
        Sample("sidecar_service_info", named, 1.0),
        *(Sample(name, place, value) for name, value in said.items()),
    ]


def read(*copies: list[Sample]) -> Replica | None:
    return read_replica([each for copy in copies for each in copy], "users-0", NOW)


@pytest.mark.parametrize("is_older_first", [True, False])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sidecar_switch_enforced", 0.0),
        ("sidecar_token_max_lifetime_seconds", 0.0),
        ("sidecar_token_max_lifetime_seconds", 9999.0),
        ("sidecar_token_leeway_seconds", 90.0),
        ("sidecar_issuing_unwatched_until_timestamp_seconds", NOW - 5),
        ("sidecar_issuing_ended_timestamp_seconds", 0.0),
    ],
)
def test_of_two_copies_that_differ_what_promises_less_is_believed(
    name: str, value: float, is_older_first: bool
) -> None:
    """As a store has them that joins two Prometheis, of which one is behind."""
    less = samples({**SAID, name: value}, replica="b")
    copies = (less, samples(SAID, replica="a"))
    both, alone = read(*(copies if is_older_first else copies[::-1])), read(less)
    assert both is not None
    assert alone is not None
    assert (both.policy, both.watch) == (alone.policy, alone.watch)


def test_two_sidecars_under_one_name_are_no_replica() -> None:
    """As a store has them that joins two clusters with the same addresses."""
    other = {**SAID, "sidecar_observing_since_timestamp_seconds": NOW - 60}
    assert read(samples(SAID, cluster="a"), samples(SAID, cluster="b")) is not None
    assert read(samples(SAID, cluster="a"), samples(other, cluster="b")) is None


def _keyed(name: str, values: Mapping[str, float], **labels: str) -> list[Sample]:
    return [Sample(name, {"key": key_id, **labels}, value) for key_id, value in values.items()]


RING = [
    *_keyed("sidecar_key_info", {"a": 1}, generation="old"),
    *_keyed("sidecar_key_info", {"b": 1}, generation="new"),
    *_keyed("sidecar_key_signing_since_timestamp_seconds", {"a": 0, "b": 0}),
]
ISSUED = [
    *_keyed("sidecar_issued_key_last_timestamp_seconds", {"a": NOW, "none": 0}),
    *_keyed("sidecar_issued_key_first_timestamp_seconds", {"a": NOW, "none": 0}),
    *_keyed("sidecar_issued_key_latest_expiry_timestamp_seconds", {"a": NOW, "none": 0}),
    *_keyed("sidecar_issued_tokens_total", {"a": 1, "none": 0}),
]
PRESENTED = [
    *_keyed("sidecar_key_latest_expiry_timestamp_seconds", {"a": NOW, "b": 0}),
    *_keyed("sidecar_key_last_issued_timestamp_seconds", {"a": NOW, "b": 0}),
    *_keyed("sidecar_key_last_used_timestamp_seconds", {"a": NOW, "b": 0}),
]


@pytest.mark.parametrize("lost", [*RING, *ISSUED, *PRESENTED], ids=str)
def test_one_sample_that_is_lost_is_no_zero(lost: Sample) -> None:
    """As a store loses it that has no room for another series."""
    keyed = [*RING, *ISSUED, *PRESENTED]
    assert read(samples(SAID), keyed) is not None
    assert read(samples(SAID), [each for each in keyed if each is not lost]) is None


def test_a_count_of_a_key_that_left_before_it_signed_is_nothing_lost() -> None:
    left = _keyed("sidecar_issued_tokens_total", {"z": 0})
    assert read(samples(SAID), [*RING, *ISSUED, *left]) is not None
