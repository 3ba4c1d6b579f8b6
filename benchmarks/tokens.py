"""Keys and tokens for one run: signed once, in parallel, before anything is measured.

Every proxy is shown the same tokens. Each is an RS256 token of a 2048-bit key with what a login
service puts into one, and differs from the others in its user and ``jti``.
"""

import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from sidecar.tokens.generate import generate_pair

KEY_ID = "2026-11"
_LIFETIME_S = 48 * 3600
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a run and the key files that verify them."""

    public_key: Path
    keyring: Path
    large_keyring: Path
    jwks: Path
    reused: Sequence[str] = field(repr=False)
    fresh: Sequence[str] = field(repr=False)
    forged: str = field(repr=False)
    expired: str = field(repr=False)


def prepare_tokens(
    directory: Path, *, reused: int, fresh: int, keys: int, cores: frozenset[int]
) -> Tokens:
    """Make keys and tokens; ``large_keyring`` holds ``keys`` keys, the signing one among them."""
    pair, other = generate_pair("RS256"), generate_pair("RS256")
    now = int(time.time())
    signed = _sign_all(pair.private_pem, reused + fresh, now, cores)
    keyring = _write_keyring(directory / "keys", {KEY_ID: pair.public_pem})
    others = {f"2020-{number:02}": generate_pair("RS256").public_pem for number in range(keys - 1)}
    return Tokens(
        public_key=keyring / f"{KEY_ID}.pub",
        keyring=keyring,
        large_keyring=_write_keyring(directory / "many-keys", {**others, KEY_ID: pair.public_pem}),
        jwks=_write_jwks(directory / "jwks.json", pair.public_pem),
        reused=signed[:reused],
        fresh=signed[reused:],
        forged=sign_tokens(other.private_pem, now, range(1))[0],
        expired=sign_tokens(pair.private_pem, now - 2 * _LIFETIME_S, range(1))[0],
    )


def sign_tokens(private_pem: bytes, issued_at: int, numbers: range) -> list[str]:
    """One token for each number."""
    key = load_pem_private_key(private_pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    header = _segment({"alg": "RS256", "typ": "JWT", "kid": KEY_ID})
    tokens = []
    for number in numbers:
        claims: dict[str, str | int] = {
            "iss": "users-backend",
            "username": f"user-{number}",
            "jti": f"{number:032x}",
            "iat": issued_at,
            "exp": issued_at + _LIFETIME_S,
        }
        signed = header + b"." + _segment(claims)
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        tokens.append((signed + b"." + _base64url(signature)).decode())
    return tokens


def _sign_all(private_pem: bytes, count: int, now: int, cores: frozenset[int]) -> list[str]:
    chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(
        len(cores), initializer=os.sched_setaffinity, initargs=(0, cores)
    ) as pool:
        return list(chain.from_iterable(pool.map(partial(sign_tokens, private_pem, now), chunks)))


def _write_keyring(directory: Path, keys: dict[str, bytes]) -> Path:
    directory.mkdir()
    for key_id, public_pem in keys.items():
        (directory / f"{key_id}.pub").write_bytes(public_pem)
    return directory


def _write_jwks(path: Path, public_pem: bytes) -> Path:
    key = load_pem_public_key(public_pem)
    assert isinstance(key, rsa.RSAPublicKey)
    numbers = key.public_numbers()
    jwk = {"kty": "RSA", "kid": KEY_ID, "alg": "RS256", "use": "sig"}
    for name, number in (("n", numbers.n), ("e", numbers.e)):
        octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
        jwk[name] = _base64url(octets).decode()
    path.write_text(json.dumps({"keys": [jwk]}))
    return path


def _segment(document: dict[str, str | int]) -> bytes:
    return _base64url(json.dumps(document, separators=(",", ":")).encode())


def _base64url(octets: bytes) -> bytes:
    return urlsafe_b64encode(octets).rstrip(b"=")
