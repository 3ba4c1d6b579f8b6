"""What makes a token good, and the one reason that each other token is refused for."""

import base64
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    IssuedAfterSwitch,
    KeysUnavailable,
    LifetimeTooLong,
    MissingClaim,
    TokenError,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    TokenTooLarge,
    TokenUnbounded,
    UnknownKey,
    WrongAudience,
    WrongIssuer,
)
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.verify import VerifiedToken, Verifier
from tests.tokens.minting import CLAIMS, NOW, b64, key, mint, private_key, sign

OLD, NEW = key("2026-9"), key("2026-11", number=1)
RING = Keyring([OLD, NEW])
THOUGHTS = Path(__file__).parent.parent / "data" / "thoughts"


def verify(token: bytes, ring: Keyring = RING, now: float = NOW, **settings: Any) -> VerifiedToken:
    return Verifier(AuthSettings(**settings)).verify(token, ring, now)


def claims(**changes: Any) -> dict[str, Any]:
    changed = {**CLAIMS, **changes}
    return {name: value for name, value in changed.items() if value is not ...}


def refusal(token: bytes, ring: Keyring = RING, now: float = NOW, **settings: Any) -> TokenError:
    with pytest.raises(TokenError) as caught:
        verify(token, ring, now, **settings)
    return caught.value


# --- good tokens ---------------------------------------------------------------------------


def test_a_good_token_tells_its_key_and_claims() -> None:
    verified = verify(mint(number=1))
    assert verified.key is NEW
    assert (verified.key_id, verified.algorithm) == ("2026-11", "RS256")
    assert dict(verified.claims) == dict(CLAIMS)
    assert (verified.issued_at, verified.expires_at) == (CLAIMS["iat"], CLAIMS["exp"])
    assert verified.not_before is None
    assert len(verified.digest) == 16


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
)
def test_every_algorithm_verifies(algorithm: str) -> None:
    ring = Keyring([key("k", algorithm)])
    assert verify(mint(algorithm=algorithm), ring).algorithm == algorithm


@pytest.mark.parametrize("curve", ["Ed25519", "Ed448"])
def test_edwards_curves_verify_under_both_of_their_names(curve: str) -> None:
    ring = Keyring([key("k", curve)])
    for name in ("EdDSA", curve):
        token = sign(json.dumps({"alg": name}).encode(), json.dumps(CLAIMS).encode(), curve)
        assert verify(token, ring).algorithm == name


def test_without_kid_every_fitting_key_is_tried() -> None:
    assert verify(mint(number=0)).key_id == "2026-9"
    assert verify(mint(number=1)).key_id == "2026-11"


def test_with_kid_only_that_key_is_tried() -> None:
    assert verify(mint(number=0, kid="2026-9")).key_id == "2026-9"
    assert isinstance(refusal(mint(number=0, kid="2026-11")), BadSignature)


def test_the_recorded_token_of_the_reference_system_holds_at_its_time() -> None:
    content = (THOUGHTS / "public_key.pub").read_bytes()
    ring = Keyring(read_keys(content, stem="users", source="users").keys)
    lines = (THOUGHTS / "exchanges.jsonl").read_text().splitlines()
    login = next(each for each in map(json.loads, lines) if each["name"] == "login")
    body = base64.b64decode(login["response_b64"]).partition(b"\r\n\r\n")[2]
    token = json.loads(body)["Authorized"].removeprefix("Bearer ").encode()
    now = login["recorded_at"]
    verified = verify(token, ring, now, max_lifetime_s=48 * 3600.0, require=("username",))
    assert verified.claims["username"] == "bruce"
    assert isinstance(refusal(token, ring, now + 48 * 3600 + 30), TokenExpired)


# --- form ----------------------------------------------------------------------------------


def _with_parts(header: bytes, payload: bytes, signature: bytes) -> bytes:
    return b".".join((header, payload, signature))


GOOD = mint()
_HEADER, _PAYLOAD, _SIGNATURE = GOOD.split(b".")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"a.b",
        b"....",
        GOOD + b".",
        GOOD + b".x",
        GOOD + b" ",
        GOOD + b"\n",
        GOOD + b"=",
        b" " + GOOD,
        _with_parts(_HEADER + b"=", _PAYLOAD, _SIGNATURE),
        _with_parts(_HEADER, _PAYLOAD + b"==", _SIGNATURE),
        _with_parts(_HEADER, _PAYLOAD, _SIGNATURE + b"=="),
        _with_parts(b"", _PAYLOAD, _SIGNATURE),
        _with_parts(b64(b"null"), _PAYLOAD, _SIGNATURE),
        _with_parts(b64(b"[]"), _PAYLOAD, _SIGNATURE),
        _with_parts(b64(b"{}"), _PAYLOAD, _SIGNATURE),
        b"a.b.c, Bearer " + GOOD,
        b"\xff.\xfe.\xfd",
    ],
)
def test_what_is_not_three_parts_of_base64url_json_is_malformed(token: bytes) -> None:
    assert isinstance(refusal(token), TokenMalformed)


def test_a_signature_with_trailing_bits_set_is_malformed() -> None:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = GOOD[:-1] + bytes((alphabet[alphabet.index(GOOD[-1]) + 1],))
    assert isinstance(refusal(respelled), TokenMalformed)


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"RS256","alg":"none"}',
        b'{"alg":7}',
        b'{"alg":null}',
        b'{"alg":["RS256"]}',
        b'{"alg":{"alg":"RS256"}}',
        b'{"alg":"RS256","kid":7}',
        b'{"alg":"RS256","kid":null}',
        b'{"alg":"RS256","kid":["2026-9"]}',
        b'{"alg":"RS256","typ":7}',
        b'{"alg":"RS256","crit":["exp"],"exp":1}',
        b'{"alg":"RS256","crit":[]}',
        b'{"alg":"RS256","b64":false}',
        b'{"alg":"RS256","b64":false,"crit":["b64"]}',
        b'{"alg":"RS256","x":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"alg":"RS256","x":' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"alg":"RS256","x":{"y":1,"y":2}}',
        b'\xef\xbb\xbf{"alg":"RS256"}',
    ],
)
def test_a_signed_token_with_a_bad_header_is_malformed(header: bytes) -> None:
    assert isinstance(refusal(sign(header, json.dumps(CLAIMS).encode())), TokenMalformed)


def test_blanks_around_json_are_json() -> None:
    assert verify(sign(b' {"alg": "RS256"}\r\n', json.dumps(CLAIMS, indent=1).encode()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        b'{"exp":1900000000,"exp":1}',
        b'{"exp":1e400}',
        b'{"exp":NaN}',
        b'{"exp":1900000000,"x":Infinity}',
        b'{"exp":1900000000,"x":{"role":"user","role":"admin"}}',
        b'{"exp":1900000000,"x":"\\udc00"}',
        b'{"exp":1900000000,"x":"\xc0\xaf"}',
    ],
)
def test_a_signed_token_with_a_bad_payload_is_malformed(payload: bytes) -> None:
    assert isinstance(refusal(sign(b'{"alg":"RS256"}', payload)), TokenMalformed)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "moment", ["1900000000", 1.9e9, 1.5, True, False, None, [], {}, -1, 10**12, 10**400]
)
def test_a_numeric_date_that_is_not_a_whole_number_of_our_time_is_malformed(
    name: str, moment: object
) -> None:
    error = refusal(mint(claims(**{name: moment})))
    assert isinstance(error, TokenMalformed)
    assert (error.key_id, error.generation) == ("2026-9", "old")


def test_a_token_over_the_limit_is_too_large_and_one_at_the_limit_is_not() -> None:
    assert verify(GOOD, max_token_bytes=len(GOOD))
    assert isinstance(refusal(GOOD, max_token_bytes=len(GOOD) - 1), TokenTooLarge)
    assert isinstance(refusal(b"x" * 50_000_000), TokenTooLarge)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_never_crash(token: bytes) -> None:
    assert refusal(token)


@given(st.data())
def test_no_changed_byte_of_a_token_is_accepted(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(GOOD) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != GOOD[position]))
    assert refusal(GOOD[:position] + bytes((byte,)) + GOOD[position + 1 :])


# --- keys ----------------------------------------------------------------------------------


def test_an_empty_ring_is_no_verdict_on_the_token() -> None:
    error = refusal(GOOD, Keyring.EMPTY)
    assert isinstance(error, KeysUnavailable)
    assert error.status == 503


def test_a_kid_that_the_ring_lacks_is_an_unknown_key() -> None:
    error = refusal(mint(kid="2031-01"))
    assert isinstance(error, UnknownKey)
    assert (error.key_id, error.generation) == (None, "none")
    assert "2031-01" not in str(error)


def test_a_forged_signature_names_no_key() -> None:
    error = refusal(mint(number=2))
    assert isinstance(error, BadSignature)
    assert (error.key_id, error.generation) == (None, "none")


def test_an_algorithm_that_the_key_does_not_allow_is_refused_before_its_signature() -> None:
    assert isinstance(refusal(mint(algorithm="ES256")), AlgorithmNotAllowed)
    assert isinstance(refusal(mint(algorithm="ES256", kid="2026-9")), AlgorithmNotAllowed)


def test_the_configuration_can_narrow_algorithms_and_never_widen_them() -> None:
    token = mint(algorithm="PS256")
    assert verify(token, algorithms=("RS256", "PS256"))
    assert isinstance(refusal(token, algorithms=("RS256",)), AlgorithmNotAllowed)
    ring = Keyring([key("k", "ES256")])
    assert isinstance(refusal(token, ring, algorithms=("PS256",)), AlgorithmNotAllowed)


def test_a_token_signed_with_a_removed_key_is_refused() -> None:
    verifier = Verifier(AuthSettings())
    assert verifier.verify(GOOD, RING, NOW)
    with pytest.raises(BadSignature):
        verifier.verify(GOOD, Keyring([NEW]), NOW)
    with pytest.raises(KeysUnavailable):
        verifier.verify(GOOD, Keyring.EMPTY, NOW)
    assert verifier.verify(GOOD, RING, NOW)


def test_a_token_whose_key_was_replaced_under_its_id_is_refused() -> None:
    verifier = Verifier(AuthSettings())
    assert verifier.verify(GOOD, RING, NOW)
    with pytest.raises(BadSignature):
        verifier.verify(GOOD, Keyring([key("2026-9", number=2)]), NOW)


# --- claims --------------------------------------------------------------------------------


def test_a_token_lives_until_exp_and_leeway() -> None:
    token, end = mint(claims(exp=2_000_000_000)), 2_000_000_000.0
    verifier = Verifier(AuthSettings(leeway_s=30.0))
    assert verifier.verify(token, RING, end + 29.9)
    with pytest.raises(TokenExpired):
        verifier.verify(token, RING, end + 30)
    assert isinstance(refusal(token, now=end, leeway_s=0.0), TokenExpired)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_not_yet_valid(name: str) -> None:
    token = mint(claims(**{name: int(NOW) + 31}))
    verifier = Verifier(AuthSettings(leeway_s=30.0))
    with pytest.raises(TokenNotYetValid) as caught:
        verifier.verify(token, RING, NOW)
    assert (caught.value.key_id, caught.value.generation) == ("2026-9", "old")
    assert verifier.verify(token, RING, NOW + 1)
    with pytest.raises(TokenNotYetValid):  # also once it is remembered
        verifier.verify(token, RING, NOW)


def test_a_token_without_exp_is_unbounded_unless_that_is_allowed() -> None:
    token = mint(claims(exp=...))
    assert isinstance(refusal(token), TokenUnbounded)
    assert verify(token, now=4e9, allow_unbounded=True).expires_at is None
    assert isinstance(refusal(token, allow_unbounded=True, require=("exp",)), MissingClaim)
    assert isinstance(refusal(token, allow_unbounded=True, max_lifetime_s=60.0), TokenUnbounded)


def test_a_lifetime_over_the_maximum_is_too_long() -> None:
    lifetime = CLAIMS["exp"] - CLAIMS["iat"]
    assert verify(GOOD, max_lifetime_s=float(lifetime))
    assert isinstance(refusal(GOOD, max_lifetime_s=lifetime - 1.0), LifetimeTooLong)


def test_where_a_lifetime_is_bounded_a_token_without_iat_is_unbounded() -> None:
    token = mint(claims(iat=...))
    assert verify(token).issued_at is None
    assert isinstance(refusal(token, max_lifetime_s=1e6), TokenUnbounded)


@pytest.mark.parametrize("issuer", [..., "Users-backend", "users-backend ", ["users-backend"], 7])
def test_another_issuer_is_refused(issuer: object) -> None:
    error = refusal(mint(claims(iss=issuer)), issuer=("users-backend",))
    assert isinstance(error, WrongIssuer)
    assert error.generation == "old"
    assert verify(mint(claims(iss="users-backend")), issuer=("users-backend",))


def test_one_of_several_issuers_is_enough() -> None:
    issuers = ("users-backend", "https://login.example")
    for issuer in issuers:
        assert verify(mint(claims(iss=issuer)), issuer=issuers)
    assert isinstance(refusal(mint(claims(iss="other")), issuer=issuers), WrongIssuer)


@pytest.mark.parametrize("issuer", [..., "https://b.example", "https://a.example/", 7])
def test_the_key_of_an_issuer_speaks_for_no_other(issuer: object) -> None:
    mine = replace(key("a"), issuer="https://a.example")
    with pytest.raises(WrongIssuer):
        Verifier(AuthSettings()).verify(mint(claims(iss=issuer)), Keyring([mine]), NOW)
    good = mint(claims(iss="https://a.example"))
    assert Verifier(AuthSettings()).verify(good, Keyring([mine]), NOW).key is mine


def test_a_remembered_token_is_judged_anew_when_its_key_becomes_an_issuers() -> None:
    verifier, token = Verifier(AuthSettings()), mint(claims(iss="https://b.example"))
    verifier.verify(token, Keyring([key("a")]), NOW)
    with pytest.raises(WrongIssuer):
        verifier.verify(token, Keyring([replace(key("a"), issuer="https://a.example")]), NOW)


@pytest.mark.parametrize("audience", ["thoughts", ["thoughts"], ["other", "thoughts"]])
def test_the_audience_must_name_us(audience: object) -> None:
    assert verify(mint(claims(aud=audience)), audience=("x", "thoughts"))
    assert isinstance(refusal(mint(claims(aud=audience)), audience=("thought",)), WrongAudience)


@pytest.mark.parametrize("audience", [..., None, "", [], "other", ["Thoughts"]])
def test_a_token_for_nobody_or_another_is_for_a_wrong_audience(audience: object) -> None:
    assert isinstance(refusal(mint(claims(aud=audience)), audience=("thoughts",)), WrongAudience)


@pytest.mark.parametrize("audience", [7, True, {"thoughts": 1}, ["thoughts", 7], [["thoughts"]]])
def test_an_audience_of_another_type_is_malformed(audience: object) -> None:
    error = refusal(mint(claims(aud=audience)), audience=("thoughts",))
    assert isinstance(error, TokenMalformed)


@pytest.mark.parametrize("value", [..., None])
def test_a_required_claim_that_is_absent_or_null_is_missing(value: object) -> None:
    error = refusal(mint(claims(username=value)), require=("exp", "username"))
    assert isinstance(error, MissingClaim)
    assert verify(GOOD, require=("exp", "username"))


# --- the switch to a newer key -------------------------------------------------------------

SWITCH = int(NOW) - 1000
SWITCHED = Keyring([OLD, NEW], signing_since={"2026-11": float(SWITCH)})
ENFORCED: dict[str, Any] = {"switch": "enforce", "leeway_s": 30.0}


def test_an_old_keys_token_from_after_the_switch_is_refused() -> None:
    assert verify(mint(claims(iat=SWITCH + 30)), SWITCHED, **ENFORCED)
    error = refusal(mint(claims(iat=SWITCH + 31)), SWITCHED, **ENFORCED)
    assert isinstance(error, IssuedAfterSwitch)
    assert (error.key_id, error.generation) == ("2026-9", "old")


def test_an_old_keys_token_without_iat_is_unbounded_once_the_switch_is_enforced() -> None:
    token = mint(claims(iat=...))
    assert isinstance(refusal(token, SWITCHED, **ENFORCED), TokenUnbounded)
    assert verify(token, SWITCHED, now=SWITCH - 1.0, **ENFORCED)


def test_the_new_keys_tokens_are_never_issued_after_the_switch() -> None:
    assert verify(mint(claims(iat=int(NOW)), number=1), SWITCHED, **ENFORCED)


def test_a_declared_switch_refuses_nothing() -> None:
    assert verify(mint(claims(iat=SWITCH + 500)), SWITCHED, switch="declare")


def test_a_switch_that_is_stated_later_reaches_tokens_that_are_remembered() -> None:
    verifier = Verifier(AuthSettings(switch="enforce"))
    token = mint(claims(iat=SWITCH + 500))
    assert verifier.verify(token, RING, NOW)
    with pytest.raises(IssuedAfterSwitch):
        verifier.verify(token, SWITCHED, NOW)
    assert verifier.verify(token, RING, NOW)


def test_a_switch_in_the_future_reaches_remembered_tokens_when_it_comes() -> None:
    ring = Keyring([OLD, NEW], signing_since={"2026-11": NOW + 100})
    verifier = Verifier(AuthSettings(switch="enforce"))
    dated, undated = mint(), mint(claims(iat=...))
    for now in (NOW, NOW + 99):
        assert verifier.verify(dated, ring, now)
        assert verifier.verify(undated, ring, now)
    assert verifier.verify(dated, ring, NOW + 100)
    with pytest.raises(TokenUnbounded):
        verifier.verify(undated, ring, NOW + 100)


# --- memory --------------------------------------------------------------------------------


def test_a_remembered_token_is_the_very_same_object() -> None:
    verifier = Verifier(AuthSettings())
    assert verifier.verify(GOOD, RING, NOW) is verifier.verify(bytes(bytearray(GOOD)), RING, NOW)


def test_a_remembered_token_outlives_a_swap_of_the_ring_that_keeps_its_key() -> None:
    verifier = Verifier(AuthSettings())
    verified = verifier.verify(GOOD, RING, NOW)
    reloaded = Keyring([key("2026-9"), key("2026-12", number=2)])
    assert reloaded.by_id["2026-9"] is not OLD
    assert verifier.verify(GOOD, reloaded, NOW) is verified


def test_a_remembered_token_is_refused_once_its_key_allows_its_algorithm_no_more() -> None:
    verifier = Verifier(AuthSettings())
    verifier.verify(GOOD, RING, NOW)
    narrowed = read_keys(
        json.dumps({"keys": [_jwk_of_old(alg="PS256")]}).encode(), stem="x", source="x"
    ).keys
    with pytest.raises(AlgorithmNotAllowed):
        verifier.verify(GOOD, Keyring(narrowed), NOW)


def _jwk_of_old(**members: Any) -> dict[str, Any]:
    numbers = private_key("RS256").public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    return {"kty": "RSA", "kid": "2026-9", "n": b64(modulus).decode(), "e": "AQAB", **members}


def test_a_remembered_token_dies_with_its_exp() -> None:
    verifier = Verifier(AuthSettings(leeway_s=30.0))
    verifier.verify(GOOD, RING, NOW)
    with pytest.raises(TokenExpired):
        verifier.verify(GOOD, RING, CLAIMS["exp"] + 30.0)


def test_claims_of_a_remembered_token_cannot_be_changed() -> None:
    verified = verify(GOOD)
    with pytest.raises(TypeError):
        verified.claims["username"] = "admin"  # type: ignore[index]


def test_forged_tokens_are_not_remembered() -> None:
    verifier = Verifier(AuthSettings(), cache_entries=4)
    verifier.verify(GOOD, RING, NOW)
    for number in range(50):
        forged = sign(json.dumps({"alg": "RS256", "x": number}).encode(), b"{}", "RS256", 3)
        with pytest.raises(BadSignature):
            verifier.verify(forged, RING, NOW)
    assert len(verifier.remembered) == 1
    assert math.isclose(verifier.remembered.total_bytes, len(GOOD))


def test_headers_are_remembered_within_a_bound_and_stay_right() -> None:
    verifier = Verifier(AuthSettings())
    for number in range(200):
        token = mint(kid="2026-9", number=0, nonce=number)
        assert verifier.verify(token, RING, NOW).key_id == "2026-9"


def test_no_text_of_a_token_is_in_what_is_remembered_or_shown() -> None:
    verified = verify(GOOD)
    assert "bruce" not in repr(verified)
    for part in (_HEADER, _PAYLOAD, _SIGNATURE):
        assert part.decode() not in repr(verified)
