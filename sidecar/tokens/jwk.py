"""A JWK (RFC 7517) to a public key, and a public key to its thumbprint (RFC 7638).

The key's numbers are read by PyJWT. This module only decides whether the key may be used: it
refuses private and symmetric keys, and keys that are meant for something other than verifying.

Called by ``parse``.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from json import dumps
from typing import Any, NamedTuple

from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from sidecar.errors import KeyFileError
from sidecar.tokens.signature import fitting_algorithms

# Members that make a key private (RFC 7518, section 6) or symmetric.
_PRIVATE_MEMBERS = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_READERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "RSA": (RSAAlgorithm.from_jwk, ("n", "e")),
    "EC": (ECAlgorithm.from_jwk, ("crv", "x", "y")),
    "OKP": (OKPAlgorithm.from_jwk, ("crv", "x")),
}
_WRITERS: dict[str, Any] = {
    "RS256": RSAAlgorithm.to_jwk,
    "ES256": ECAlgorithm.to_jwk,
    "ES384": ECAlgorithm.to_jwk,
    "ES512": ECAlgorithm.to_jwk,
    "EdDSA": OKPAlgorithm.to_jwk,
}
_EDWARDS_NAMES = frozenset(("EdDSA", "Ed25519", "Ed448"))


class PrivateKeyFound(KeyFileError):
    """A private or secret key lies where only public keys belong: others can sign with it."""

    title = "A private key lies among the verification keys"


class ForeignKey(KeyFileError):
    """A key for another purpose, as sets hold besides those that verify tokens (RFC 7517, section
    5)."""

    title = "The key is for another purpose"


class PublicJwk(NamedTuple):
    """What a JWK says: its id, where it has one, and the algorithms that it may be used with."""

    kid: str | None
    public_key: object
    algorithms: tuple[str, ...]


def parse_jwk(jwk: dict[str, Any]) -> PublicJwk:
    """Raises :class:`KeyFileError` for a key that must not, or cannot, verify tokens."""
    kind = jwk.get("kty")
    if kind == "oct" or _PRIVATE_MEMBERS & jwk.keys():
        what = "a symmetric key" if kind == "oct" else "a private key"
        raise PrivateKeyFound(f"is {what}; only public keys belong here")
    if not isinstance(kind, str) or kind not in _READERS:
        raise ForeignKey("has a key type other than RSA, EC and OKP")
    if jwk.get("use", "sig") != "sig":
        raise ForeignKey('is not meant for signatures ("use" is not "sig")')
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ForeignKey('is not meant for verifying ("key_ops" lacks "verify")')
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise KeyFileError('has a "kid" that is not a string')
    public_key = _read_numbers(kind, jwk)
    return PublicJwk(kid, public_key, _algorithms(jwk, public_key))


def _read_numbers(kind: str, jwk: dict[str, Any]) -> object:
    read, members = _READERS[kind]
    numbers = {name: jwk.get(name) for name in members}
    if not all(isinstance(value, str) for value in numbers.values()):
        raise KeyFileError("lacks one of its numbers")
    try:
        public_key: object = read({"kty": kind, **numbers})
    except (PyJWTError, ValueError, TypeError):
        raise KeyFileError("has numbers that are no public key") from None
    return public_key


def _algorithms(jwk: dict[str, Any], public_key: object) -> tuple[str, ...]:
    fitting = fitting_algorithms(public_key)
    if "alg" not in jwk or not fitting:
        return fitting
    stated = jwk["alg"]
    if not isinstance(stated, str) or stated not in fitting:
        raise KeyFileError('states an algorithm ("alg") that tokens of its type cannot have')
    # EdDSA and its RFC 9864 name are two words for one operation of one key.
    return fitting if stated in _EDWARDS_NAMES else (stated,)


def thumbprint_of(public_key: object) -> str:
    """RFC 7638 with SHA-256, base64url. Only for a key that ``fitting_algorithms`` knows."""
    members = _WRITERS[fitting_algorithms(public_key)[0]](public_key, as_dict=True)
    members.pop("key_ops", None)
    text = dumps(members, sort_keys=True, separators=(",", ":"))
    digest = sha256(text.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
