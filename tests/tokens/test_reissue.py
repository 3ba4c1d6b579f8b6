"""A verified token to one of our own: same claims, never a longer life, rarely a signature."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import AlgorithmNotAllowed
from sidecar.tokens.generate import generate_signer
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.reissue import Reissuer
from sidecar.tokens.settings import AuthSettings, ResignSettings
from sidecar.tokens.verify import VerifiedToken, Verifier
from tests.tokens.minting import CLAIMS, NOW, key, mint

SIGNER, PUBLIC_PEM = generate_signer("ES256")
RING = Keyring([key("k")])


def verified(now: float = NOW, **claims: Any) -> VerifiedToken:
    claims = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return Verifier(AuthSettings(allow_unbounded=True)).verify(mint(claims), RING, now)


def reissuer(**settings: Any) -> Reissuer:
    return Reissuer(ResignSettings(algorithm="ES256", **settings), SIGNER)


def claims_of(line: bytes) -> dict[str, Any]:
    token = line.removesuffix(b"\r\n").removeprefix(b"Authorization: Bearer ").decode()
    claims: dict[str, Any] = json.loads(jwt.PyJWS().decode(token, PUBLIC_PEM, ["ES256"]))
    return claims


def test_the_claims_are_the_callers_and_the_times_are_ours() -> None:
    token = verified(role=["a", "b"], aud="thoughts", iss="users", jti="t", deep={"a": [1.5, "ä"]})
    claims = claims_of(reissuer().field_line(token, NOW + 0.9))
    assert claims == {**token.claims, "iat": int(NOW), "exp": int(NOW) + 60}


@given(st.integers(10, 3600), st.integers(-29, 100_000) | st.none(), st.integers(-100, 29))
def test_no_token_of_ours_outlives_the_callers(
    lifetime_s: int, left_s: int | None, ahead_s: int
) -> None:
    exp = None if left_s is None else int(NOW) + left_s
    line = reissuer(lifetime_s=float(lifetime_s)).field_line(
        verified(exp=exp, nbf=int(NOW) + ahead_s), NOW
    )
    claims = claims_of(line)
    assert claims["exp"] <= NOW + lifetime_s
    assert exp is None or claims["exp"] <= exp
    assert claims["iat"] <= NOW
    assert claims["nbf"] <= NOW


def test_a_token_is_signed_once_until_half_its_life_is_over() -> None:
    ours, token = reissuer(), verified()
    first = ours.field_line(token, NOW)
    assert all(ours.field_line(token, NOW + later) is first for later in (0, 10, 29.9))
    second = ours.field_line(token, NOW + 30)
    assert claims_of(second)["exp"] == int(NOW) + 90
    assert ours.field_line(token, NOW + 31) is second
    assert len(ours) == 1


def test_a_clock_that_was_set_back_gets_no_token_from_its_future() -> None:
    ours, token = reissuer(), verified()
    ours.field_line(token, NOW)
    assert claims_of(ours.field_line(token, NOW - 5))["iat"] == int(NOW) - 5


def test_the_last_token_before_the_callers_own_end_is_not_signed_over_and_over() -> None:
    ours, token = reissuer(), verified(exp=int(NOW) + 20)
    first = ours.field_line(token, NOW)
    assert claims_of(first)["exp"] == int(NOW) + 20
    assert ours.field_line(token, NOW + 19) is first
    assert ours.field_line(token, NOW + 45) is first


def test_what_is_remembered_is_bounded() -> None:
    ours = Reissuer(ResignSettings(algorithm="ES256"), SIGNER, cache_entries=3)
    for number in range(8):
        ours.field_line(verified(username=f"user-{number}"), NOW)
    assert len(ours) == 3


def test_two_callers_never_get_each_others_token() -> None:
    ours = reissuer()
    for _ in range(2):
        for name in ("ana", "bruce"):
            assert claims_of(ours.field_line(verified(username=name), NOW))["username"] == name


def test_header_and_scheme_are_the_applications() -> None:
    line = reissuer(header="X-Token", scheme="").field_line(verified(), NOW)
    assert line.startswith(b"X-Token: ey")
    assert line.endswith(b"\r\n")
    assert line.count(b"\r\n") == 1


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_every_process_has_a_key_of_its_own(algorithm: str) -> None:
    first, second = generate_signer(algorithm), generate_signer(algorithm)
    assert first[1] != second[1]
    token = first[0].sign({"a": 1})
    assert jwt.decode(token, first[1], [algorithm]) == {"a": 1}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, second[1], [algorithm])


def test_a_token_of_ours_does_not_open_our_own_door() -> None:
    line = reissuer().field_line(verified(), NOW)
    token = line.split()[-1]
    with pytest.raises(AlgorithmNotAllowed):
        Verifier(AuthSettings()).verify(token, RING, NOW)
