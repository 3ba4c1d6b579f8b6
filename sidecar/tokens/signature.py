"""JWS signatures: which algorithms a public key allows, and whether a signature holds.

The algorithm belongs to the key: a key is paired only with the algorithms of its own type (RFC
8725, section 3.1). No symmetric algorithm and no ``none`` exists here, so neither can be asked for.
``cryptography`` does the mathematics; its parameter objects are made once, which saves a good part
of the time that a library call through names would take.

Called by ``parse`` (what may this key do) and ``verify`` (does this signature hold).
"""

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

#: ``(public key, message, signature) -> does it hold``
Check = Callable[[Any, bytes, bytes], bool]


def _check_with(parameters: tuple[Any, ...]) -> Check:
    def check(public_key: Any, message: bytes, signature: bytes) -> bool:
        try:
            public_key.verify(signature, message, *parameters)
        except InvalidSignature:
            return False
        return True

    return check


def _pkcs1(digest: hashes.HashAlgorithm) -> Check:
    return _check_with((padding.PKCS1v15(), digest))


def _pss(digest: hashes.HashAlgorithm) -> Check:
    # RFC 7518, section 3.5: the salt is as long as the hash, and MGF1 uses the same hash.
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    return _check_with((scheme, digest))


def _ecdsa(digest: hashes.HashAlgorithm, coordinate_bytes: int) -> Check:
    check_der = _check_with((ec.ECDSA(digest),))

    def check(public_key: Any, message: bytes, signature: bytes) -> bool:
        # RFC 7518, section 3.4: exactly R || S, each as long as the curve's order.
        if len(signature) != 2 * coordinate_bytes:
            return False
        r = int.from_bytes(signature[:coordinate_bytes], "big")
        s = int.from_bytes(signature[coordinate_bytes:], "big")
        if not r or not s:
            return False
        return check_der(public_key, message, encode_dss_signature(r, s))

    return check


#: Every algorithm that a token may be signed with, by its JWS name (RFC 7518, 8037 and 9864).
CHECKS: dict[str, Check] = {
    "RS256": _pkcs1(hashes.SHA256()),
    "RS384": _pkcs1(hashes.SHA384()),
    "RS512": _pkcs1(hashes.SHA512()),
    "PS256": _pss(hashes.SHA256()),
    "PS384": _pss(hashes.SHA384()),
    "PS512": _pss(hashes.SHA512()),
    "ES256": _ecdsa(hashes.SHA256(), 32),
    "ES384": _ecdsa(hashes.SHA384(), 48),
    "ES512": _ecdsa(hashes.SHA512(), 66),
    "EdDSA": _check_with(()),
    "Ed25519": _check_with(()),
    "Ed448": _check_with(()),
}

PKCS1_ALGORITHMS = ("RS256", "RS384", "RS512")
PSS_ALGORITHMS = ("PS256", "PS384", "PS512")
_CURVES: dict[str, tuple[str, ...]] = {
    "secp256r1": ("ES256",),
    "secp384r1": ("ES384",),
    "secp521r1": ("ES512",),
}


def fitting_algorithms(public_key: object) -> tuple[str, ...]:
    """The algorithms that a key of this type can verify; none for a type that tokens never use."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return PKCS1_ALGORITHMS + PSS_ALGORITHMS
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _CURVES.get(public_key.curve.name, ())
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return ("EdDSA", "Ed25519")
    if isinstance(public_key, ed448.Ed448PublicKey):
        return ("EdDSA", "Ed448")
    return ()
