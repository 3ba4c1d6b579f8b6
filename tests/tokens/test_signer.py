"""Signing: what is signed here is accepted elsewhere, by the same key alone."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sidecar.errors import KeyFileError
from sidecar.tokens.generate import GENERATED_ALGORITHMS, generate_pair
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.signer import parse_signer
from sidecar.tokens.verify import Verifier

NOW = 1_795_000_000
CLAIMS = {"username": "ana", "iat": NOW, "exp": NOW + 60}


@pytest.mark.parametrize("algorithm", GENERATED_ALGORITHMS)
def test_a_signed_token_is_verified_with_the_public_half(algorithm: str) -> None:
    pair = generate_pair(algorithm)
    token = parse_signer(pair.private_pem).sign(CLAIMS, "2026-11")
    ring = Keyring(read_keys(pair.public_pem, stem="2026-11", source="file").keys)
    verified = Verifier(AuthSettings()).verify(token.encode(), ring, NOW)
    assert (verified.key_id, verified.algorithm) == ("2026-11", algorithm)
    assert dict(verified.claims) == CLAIMS


@pytest.mark.parametrize("algorithm", GENERATED_ALGORITHMS)
def test_another_library_accepts_a_signed_token(algorithm: str) -> None:
    pair = generate_pair(algorithm)
    token = parse_signer(pair.private_pem).sign(CLAIMS)
    read = jwt.decode(
        token, pair.public_pem, [algorithm], options={"verify_exp": False, "verify_iat": False}
    )
    assert read == CLAIMS


def test_a_token_states_the_key_only_when_it_was_told_to() -> None:
    signer = parse_signer(generate_pair("ES256").private_pem)
    assert jwt.get_unverified_header(signer.sign(CLAIMS, "2026-11"))["kid"] == "2026-11"
    assert "kid" not in jwt.get_unverified_header(signer.sign(CLAIMS))


@pytest.mark.parametrize(
    "encoding", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS8", "SEC1"]
)
def test_the_usual_forms_of_a_private_key_are_read(encoding: PrivateFormat) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    content = key.private_bytes(Encoding.PEM, encoding, NoEncryption())
    assert parse_signer(content).algorithm == "ES384"


def test_a_key_with_a_passphrase_is_refused_with_that_reason() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(KeyFileError, match="passphrase"):
        parse_signer(content)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\x00" * 50, generate_pair("EdDSA").public_pem]
)
def test_what_is_no_private_key_cannot_sign(content: bytes) -> None:
    with pytest.raises(KeyFileError, match="not a private key"):
        parse_signer(content)


@pytest.mark.parametrize("curve", ["exchange", "unknown"])
def test_a_private_key_of_a_type_that_tokens_never_use_cannot_sign(curve: str) -> None:
    key = (
        x25519.X25519PrivateKey.generate()
        if curve == "exchange"
        else ec.generate_private_key(ec.SECP256K1())
    )
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyFileError, match="cannot sign tokens"):
        parse_signer(content)
