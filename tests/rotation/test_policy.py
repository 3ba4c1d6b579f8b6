"""A policy says what is enforced in fact, not what was written."""

from dataclasses import replace

import pytest

from sidecar.errors import TokenUnbounded
from sidecar.rotation.policy import Policy
from sidecar.tokens.claims import ClaimRules
from sidecar.tokens.settings import AuthSettings

STRICT = AuthSettings(mode="enforce", switch="enforce", max_lifetime_s=3600, leeway_s=30)


def test_enforced_terms_are_taken_as_they_are() -> None:
    assert Policy.of(STRICT) == Policy(is_switch_enforced=True, max_lifetime_s=3600, leeway_s=30)


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_where_nothing_is_refused_nothing_is_enforced(mode: str) -> None:
    policy = Policy.of(replace(STRICT, mode=mode))
    assert policy == Policy(is_switch_enforced=False, max_lifetime_s=0, leeway_s=30)


@pytest.mark.parametrize("claims", [{"iat": 1_000}, {"exp": 2_000}])
def test_a_bounded_lifetime_is_bounded_even_where_unbounded_tokens_are_allowed(
    claims: dict[str, int],
) -> None:
    generous = replace(STRICT, allow_unbounded=True)
    assert Policy.of(generous).max_lifetime_s == 3600
    with pytest.raises(TokenUnbounded):
        ClaimRules(generous).check(claims, 1_000)


def test_a_stated_switch_is_not_an_enforced_one() -> None:
    assert not Policy.of(replace(STRICT, switch="declare")).is_switch_enforced


def test_the_last_death_is_a_lifetime_and_three_clocks_after_rounded_up() -> None:
    assert Policy.of(STRICT).last_death_after(1_000.25) == 1_000 + 3_600 + 90 + 1


def test_without_a_bounded_lifetime_there_is_no_last_death() -> None:
    with pytest.raises(ValueError, match="no lifetime"):
        Policy(is_switch_enforced=True, max_lifetime_s=0, leeway_s=30).last_death_after(0)
