"""Key files of every kind, and what is refused in them."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from sidecar.tokens.parse import (
    MAX_KEY_FILE_BYTES,
    MAX_KEYS_IN_SET,
    KeyReading,
    is_private_key,
    read_keys,
)
from tests.tokens.minting import pem, private_key

SPKI = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read(content: bytes, stem: str = "2026-11") -> KeyReading:
    return read_keys(content, stem=stem, source=f"/keys/{stem}.pub")


def jwk(algorithm: str = "RS256", number: int = 0, **members: Any) -> dict[str, Any]:
    public_key = private_key(algorithm, number).public_key()
    writer: Any = {"R": RSAAlgorithm, "E": ECAlgorithm}.get(algorithm[0], OKPAlgorithm)
    if algorithm.startswith("Ed"):
        writer = OKPAlgorithm
    return {**writer.to_jwk(public_key, as_dict=True), **members}


def problem_of(content: bytes) -> str:
    reading = read(content)
    assert reading.keys == ()
    (problem,) = reading.problems
    return problem.text


def certificate(algorithm: str = "RS256") -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "users")])
    today = datetime.now(UTC)
    signer = private_key(algorithm)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=1))
        .sign(signer, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("algorithm", "allowed"),
    [
        ("RS256", ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("ES256", ("ES256",)),
        ("ES384", ("ES384",)),
        ("ES512", ("ES512",)),
        ("Ed25519", ("EdDSA", "Ed25519")),
        ("Ed448", ("EdDSA", "Ed448")),
    ],
)
def test_pem_and_jwk_of_every_type_allow_the_algorithms_of_the_type(
    algorithm: str, allowed: tuple[str, ...]
) -> None:
    (from_pem,) = read(pem(algorithm)).keys
    (from_jwk,) = read(json.dumps(jwk(algorithm)).encode()).keys
    assert from_pem.algorithms == from_jwk.algorithms == allowed
    assert from_pem.thumbprint == from_jwk.thumbprint
    assert from_pem.id == from_jwk.id == "2026-11"
    assert from_pem.source == "/keys/2026-11.pub"
    assert from_pem.algorithm == allowed[0]


# openssl genpkey -algorithm RSA-PSS, once with and once without restricting parameters.
RSA_PSS = [
    b"""-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAM+a0OkA+ebugzE/UVZlh9P4
6ptvhrG5BB+Pj+fVV1pJVwBRLCq+3ZvPuHqHKyxfahf6jfe0BUi2A/iLWd1z0LNA
dgz6rX3CqU/JS9vonfjFnGtlLZBHDHLCV2P8grRfYrGKtyYyTgaf7ez31f+gNmF1
biYSAMSgPm5YhafnG+E/KAAlHJ+lN3zWHrgVhE6Zp4l6lenBPEgl9WNLhgHy4MM6
odf7z9TS6M6YqAoogEfoCrp7WSh+arpv4KPBQ53egy47vsDIMbJsO3daGCVcEd+L
+d2mmAObqTZDoJSR5Ef4kVYGuA7f1SILVWAeGL9eVdUqahoqBd7+Vkqug7CW4ncC
AwEAAQ==
-----END PUBLIC KEY-----
""",
    b"""-----BEGIN PUBLIC KEY-----
MIIBVjBBBgkqhkiG9w0BAQowNKAPMA0GCWCGSAFlAwQCAQUAoRwwGgYJKoZIhvcN
AQEIMA0GCWCGSAFlAwQCAQUAogMCASADggEPADCCAQoCggEBAMGx/Bl/5Yf+auQK
3wrVFE2/+OS2H5A5LN5zCnSmTkywrNwl3dHErrgylvgT1FHXQZIDqRzwq4gYbp3d
ZuOUIixBv9O0tvaEQpTfYHjvQcnIhpBb7t5rVRXkrMRUy7HRQaJZY2H/UMGG6an6
/KDRL7Gu28bZphhwEK6AgemIZTtSYiCFltGZlbeVJ/mlzXN8HImfPbKfutEWNHXl
rR9JDcercF5MW+d+EM6Sw1wXAtV4EQx/aVxQFiyJ5LFXj8UjxGlxlGXf7xLof33e
+Gi1HqcFwQnpVJMTcd9X8fovePai/1Tdc6rPLRZJYQiWpGvLKlffm+HLASCv2pfJ
6hFhBJMCAwEAAQ==
-----END PUBLIC KEY-----
""",
]


@pytest.mark.parametrize("content", RSA_PSS)
def test_a_key_for_rsassa_pss_allows_nothing_else(content: bytes) -> None:
    (key,) = read(content).keys
    assert key.algorithms == ("PS256", "PS384", "PS512")


def test_the_public_key_of_a_certificate_is_used() -> None:
    (from_certificate,) = read(certificate()).keys
    (from_pem,) = read(pem()).keys
    assert from_certificate.thumbprint == from_pem.thumbprint


def test_of_a_chain_of_certificates_the_first_is_used_without_complaint() -> None:
    reading = read(certificate("ES256") + certificate("RS256"))
    assert [key.algorithm for key in reading.keys] == ["ES256"]
    assert reading.problems == ()


def test_of_several_public_keys_in_one_file_the_first_is_used_and_the_rest_reported() -> None:
    reading = read(pem("ES256") + pem("RS256"))
    assert [key.algorithm for key in reading.keys] == ["ES256"]
    assert [problem.text for problem in reading.problems] == [
        "holds several keys; only the first is used"
    ]


def test_text_around_a_pem_block_and_foreign_line_ends_do_no_harm() -> None:
    for content in (b"the key of users\n" + pem(), pem().replace(b"\n", b"\r\n"), pem().strip()):
        assert len(read(content).keys) == 1


def test_pkcs1_public_keys_are_read() -> None:
    content = private_key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    assert len(read(content).keys) == 1


@pytest.mark.parametrize(
    "form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH]
)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_private_key_is_refused_loudly(algorithm: str, form: PrivateFormat) -> None:
    content = private_key(algorithm).private_bytes(Encoding.PEM, form, NoEncryption())
    for each in (content, pem() + content, content + pem()):
        reading = read(each)
        assert reading.keys == ()
        assert [problem.is_private for problem in reading.problems] == [True]
        assert "private key" in reading.problems[0].text
        assert is_private_key(each)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
def test_a_private_jwk_is_refused_loudly_even_where_its_public_half_would_do(
    algorithm: str,
) -> None:
    reading = read(json.dumps(jwk(algorithm, d="AQAB")).encode())
    assert reading.keys == ()
    assert reading.problems[0].is_private


def test_a_symmetric_key_is_refused_loudly() -> None:
    reading = read(b'{"kty":"oct","k":"c2VjcmV0","kid":"s"}')
    assert reading.keys == ()
    assert reading.problems[0].is_private
    assert "c2VjcmV0" not in reading.problems[0].text


def test_a_jwks_gives_its_usable_keys_and_reports_each_other_one() -> None:
    members: list[Any] = [
        jwk(kid="a"),
        jwk("ES256", kid="b"),
        jwk(kid="private", d="AQAB"),
        jwk(kid="enc", use="enc"),
        jwk(kid="ops", key_ops=["encrypt"]),
        jwk(kid=7),
        jwk(kid="hs", alg="HS256"),
        jwk(kid="oaep", alg="RSA-OAEP"),
        jwk(kid="a", number=1),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "unheard-of"},
        {},
        "text",
    ]
    reading = read(json.dumps({"keys": members}).encode())
    assert [key.id for key in reading.keys] == ["a", "b"]
    assert len(reading.problems) == len(members) - 2
    assert [problem.is_private for problem in reading.problems].count(True) == 2
    assert all(f"of {len(members)} " in problem.text for problem in reading.problems)


def test_a_jwks_key_without_kid_has_the_id_of_its_file() -> None:
    reading = read(json.dumps({"keys": [jwk(), jwk(number=1)]}).encode(), stem="users")
    assert [key.id for key in reading.keys] == ["users"]
    assert "has the id users of an earlier key" in reading.problems[0].text


def test_the_alg_of_a_jwk_restricts_it() -> None:
    (key,) = read(json.dumps(jwk(alg="PS384")).encode()).keys
    assert key.algorithms == ("PS384",)
    (edwards,) = read(json.dumps(jwk("Ed25519", alg="Ed25519")).encode()).keys
    assert edwards.algorithms == ("EdDSA", "Ed25519")


def test_use_and_key_ops_that_allow_verifying_are_fine() -> None:
    content = json.dumps(jwk(use="sig", key_ops=["sign", "verify"])).encode()
    assert len(read(content).keys) == 1


@pytest.mark.parametrize("key_id", ["", "a\nb", "x" * 201, "\x1b[31m", "a\u202eb"])
def test_an_id_that_could_harm_a_log_is_refused(key_id: str) -> None:
    assert "printable" in problem_of(json.dumps(jwk(kid=key_id)).encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        pytest.param(os.urandom(64) + b"\0\xff", "neither PEM nor", id="noise"),
        (b"ssh-rsa AAAAB3NzaC1yc2E users@host", "neither PEM nor"),
        (b"<html>404</html>", "neither PEM nor"),
        (b"[]", "neither PEM nor"),
        (b'{"keys":[]}', "without keys"),
        (b'{"keys":{}}', "not a list"),
        (b'{"keys":[', "not usable JSON"),
        (b"{}", "key type"),
        (b'{"kty":"RSA","kty":"EC"}', "not usable JSON"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (b"-----BEGIN PUBLIC KEY-----\nMIIBIjAN", "cannot be read"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END", "neither a public key"),
    ],
)
def test_what_is_no_key_is_named_and_not_quoted(content: bytes, words: str) -> None:
    assert words in problem_of(content)


def test_every_truncation_of_a_key_file_is_unusable() -> None:
    content = pem("ES256").strip()
    for length in range(len(content) - 1):
        assert read(content[:length]).keys == ()


def test_a_file_of_50_mb_is_refused_for_its_size() -> None:
    assert "larger than" in problem_of(b"\n" * 50_000_000)
    assert "larger than" in problem_of(pem() + b"\n" * MAX_KEY_FILE_BYTES)


def test_weak_rsa_keys_are_refused() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_bytes(*SPKI)
    assert "1024 bits" in problem_of(weak)


@pytest.mark.parametrize(
    "exponent", [b"\x01", b"\x02", b"\x01\x00\x00", b"\x01" + b"\0" * 8 + b"\x01"]
)
def test_an_rsa_exponent_that_protects_nothing_is_refused(exponent: bytes) -> None:
    text = base64.urlsafe_b64encode(exponent).rstrip(b"=").decode()
    assert problem_of(json.dumps(jwk(e=text)).encode())


def test_keys_that_cannot_verify_tokens_are_refused() -> None:
    others: list[Any] = [
        ec.generate_private_key(ec.SECP256K1()),
        x25519.X25519PrivateKey.generate(),
        dsa.generate_private_key(2048),
    ]
    for other in others:
        assert problem_of(other.public_key().public_bytes(*SPKI))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(content: bytes) -> None:
    for start in (b"", b"{", b"-----BEGIN PUBLIC KEY-----"):
        reading = read(start + content)
        assert reading.keys or reading.problems


@given(
    st.dictionaries(
        st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "key_ops", "keys"]),
        st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "", 1, None, [], {}, "é"]),
    )
)
def test_any_jwk_is_read_without_an_exception(members: dict[str, Any]) -> None:
    reading = read(json.dumps(members).encode())
    assert reading.keys or reading.problems


def test_of_a_set_with_very_many_keys_only_so_many_are_used_and_that_is_reported() -> None:
    members = [jwk("ES256", kid=f"k{number}") for number in range(MAX_KEYS_IN_SET + 50)]
    reading = read(json.dumps({"keys": members}).encode())
    assert [key.id for key in reading.keys] == [f"k{number}" for number in range(200)]
    (problem,) = reading.problems
    assert problem.text == "holds 250 keys; the first 200 that fit are used"
