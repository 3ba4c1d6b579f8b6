"""Keys and tokens for tests: signs anything, right or wrong, with PyJWT's algorithms."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import get_algorithm_by_name

from sidecar.tokens.jwk import thumbprint_of
from sidecar.tokens.keyring import Key
from sidecar.tokens.signature import fitting_algorithms

NOW = 1_800_000_000.0
CLAIMS: Mapping[str, Any] = {"username": "bruce", "iat": int(NOW) - 60, "exp": int(NOW) + 3600}

_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def private_key(algorithm: str, number: int = 0) -> Any:
    """The same key for the same arguments, made once."""
    is_rsa = algorithm[:2] in ("RS", "PS")
    return _generate("RSA" if is_rsa else algorithm.replace("EdDSA", "Ed25519"), number)


@cache
def _generate(algorithm: str, number: int) -> Any:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def key(key_id: str, algorithm: str = "RS256", number: int = 0) -> Key:
    """The public half, as the keyring holds it."""
    public_key = private_key(algorithm, number).public_key()
    return Key(
        id=key_id,
        algorithms=fitting_algorithms(public_key),
        public_key=public_key,
        thumbprint=thumbprint_of(public_key),
        source=f"/keys/{key_id}.pub",
    )


def pem(algorithm: str = "RS256", number: int = 0) -> bytes:
    """The public half as a file's content."""
    public_key = private_key(algorithm, number).public_key()
    content: bytes = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


def b64(data: bytes) -> bytes:
    """Canonical base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(header: bytes, payload: bytes, algorithm: str = "RS256", number: int = 0) -> bytes:
    """A token over exactly these bytes."""
    signing_input = b64(header) + b"." + b64(payload)
    name = "EdDSA" if algorithm.startswith("Ed") else algorithm
    signature = get_algorithm_by_name(name).sign(signing_input, private_key(algorithm, number))
    return signing_input + b"." + b64(signature)


def mint(
    claims: Mapping[str, Any] = CLAIMS,
    *,
    algorithm: str = "RS256",
    number: int = 0,
    **header: Any,
) -> bytes:
    """A well-formed token with a good signature."""
    head = {"alg": algorithm, "typ": "JWT", **header}
    return sign(json.dumps(head).encode(), json.dumps(dict(claims)).encode(), algorithm, number)
