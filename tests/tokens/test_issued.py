"""Which key signed a token that is handed out, and whether it may be handed out still."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import IssuedNotJwt
from sidecar.tokens.issued import SignedToken, is_behind, parse_issued
from sidecar.tokens.keyring import Keyring
from tests.tokens.minting import CLAIMS, NOW, key, mint

RING = Keyring([key("a", "ES256"), key("b", "ES256", 1)])


@pytest.mark.parametrize("kid", ["a", None])
def test_the_key_that_signed_is_found_with_and_without_its_name(kid: str | None) -> None:
    header: dict[str, Any] = {} if kid is None else {"kid": kid}
    token = parse_issued(mint(algorithm="ES256", **header), RING)
    assert token.key_id == "a"
    assert (token.issued_at, token.expires_at) == (CLAIMS["iat"], CLAIMS["exp"])


@pytest.mark.parametrize(
    "token",
    [
        mint(algorithm="ES256", number=2),  # nobody's
        mint(algorithm="ES256", number=1, kid="a"),  # says that it is another's
        mint(algorithm="ES256", number=0, kid="z"),
        mint(algorithm="RS256"),
    ],
)
def test_a_token_that_no_key_verifies_has_none_and_its_claims_are_told(token: bytes) -> None:
    signed = parse_issued(token, RING)
    assert signed.key is None
    assert signed.expires_at == CLAIMS["exp"]


@pytest.mark.parametrize("text", [b"", b"a", b"a.b.c", b"..", b"e30.e30.", b"\xff.\xff.\xff"])
def test_what_is_no_jwt_is_refused(text: bytes) -> None:
    with pytest.raises(IssuedNotJwt):
        parse_issued(text, RING)


@given(st.binary(max_size=100))
def test_nothing_else_is_raised_whatever_stands_there(text: bytes) -> None:
    with suppress(IssuedNotJwt):
        parse_issued(text, RING)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [(5, 5), (5.2, 6), ("5", None), (True, None), (None, None), ([5], None)],
)
def test_a_date_is_read_as_the_latest_that_it_can_mean(claim: Any, expected: int | None) -> None:
    token = mint({**CLAIMS, "exp": claim}, algorithm="ES256", kid="a")
    assert parse_issued(token, RING).expires_at == expected


SINCE, LEEWAY = 1_000.0, 30.0


@pytest.mark.parametrize(
    ("issued_at", "now", "expected"),
    [
        (1_031, SINCE, True),
        (1_030, SINCE, False),  # within the leeway a clock may be wrong
        (900, SINCE + LEEWAY, False),
        (900, SINCE + LEEWAY + 1, True),  # dated back
        (None, SINCE, True),
        (1_031, SINCE - 1, False),  # a plan is not in force
    ],
)
def test_a_token_is_behind_by_its_own_date_or_by_our_clock(
    issued_at: int | None, now: float, expected: bool
) -> None:
    token = SignedToken(key("a", "ES256"), issued_at, int(NOW))
    assert is_behind(token, SINCE, leeway_s=LEEWAY, now=now) is expected
    assert not is_behind(token, None, leeway_s=LEEWAY, now=now)
