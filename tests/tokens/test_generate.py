"""Fresh pairs of keys."""

import pytest

from sidecar.tokens.generate import GENERATED_ALGORITHMS, generate_pair
from sidecar.tokens.parse import is_private_key, read_keys
from sidecar.tokens.signer import parse_signer


@pytest.mark.parametrize("algorithm", GENERATED_ALGORITHMS)
def test_a_generated_pair_belongs_together_and_is_bound_to_its_algorithm(algorithm: str) -> None:
    pair = generate_pair(algorithm)
    reading = read_keys(pair.public_pem, stem="2026-11", source="2026-11.pub")
    assert reading.problems == ()
    (key,) = reading.keys
    assert (key.id, key.algorithm) == ("2026-11", algorithm)
    assert parse_signer(pair.private_pem).algorithm == algorithm


def test_a_pss_pair_can_be_used_for_nothing_else() -> None:
    pair = generate_pair("PS256")
    (key,) = read_keys(pair.public_pem, stem="key", source="key.pub").keys
    assert key.algorithms == ("PS256", "PS384", "PS512")


def test_the_private_half_is_known_as_private() -> None:
    assert is_private_key(generate_pair("EdDSA").private_pem)


def test_two_pairs_are_never_the_same() -> None:
    assert generate_pair("ES256").public_pem != generate_pair("ES256").public_pem


def test_a_pair_does_not_show_its_private_half() -> None:
    assert "PRIVATE" not in repr(generate_pair("ES256"))
