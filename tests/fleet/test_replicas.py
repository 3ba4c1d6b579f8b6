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
