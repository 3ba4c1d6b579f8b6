"""The other side of verification: a private key, and tokens signed with it.

For people at the command line, for the demo, and for ``reissue``, where the application gets tokens
of the sidecar's own. A key that was read from a file has the algorithm that follows from it, as it
has when tokens are verified.
"""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sidecar.errors import KeyFileError
from sidecar.tokens.signature import PSS_ALGORITHMS, fitting_algorithms

# id-RSASSA-PSS (RFC 4055, section 3.1), in the first bytes of a key that may sign nothing else.
_PSS_OID = bytes.fromhex("06092a864886f70d01010a")
_NOT_PRIVATE = "is not a private key in PEM"


class Signer:
    """A private key with the one algorithm that it signs with."""

    __slots__ = ("_private_key", "algorithm")

    def __init__(self, private_key: Any, algorithm: str) -> None:
        self._private_key = private_key
        self.algorithm = algorithm

    def __repr__(self) -> str:
        return f"<Signer {self.algorithm}>"

    def sign(self, claims: Mapping[str, Any], key_id: str | None = None) -> str:
        """A token (JWS compact serialization, RFC 7515) that states ``key_id`` as its ``kid``.

        The claims are signed as they are: wrong ones are needed to see them refused.
        """
        headers = {"typ": "JWT"} if key_id is None else {"typ": "JWT", "kid": key_id}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jwt.PyJWS().encode(payload, self._private_key, self.algorithm, headers)


def parse_signer(content: bytes) -> Signer:
    """The signer of a private key in PEM: PKCS #8, PKCS #1 or SEC 1, without a passphrase.

    Raises KeyFileError, with a phrase that continues the file's name, for anything else.
    """
    try:
        private_key = load_pem_private_key(content, password=None)
    except TypeError:
        raise KeyFileError("is protected by a passphrase, which is not supported") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(_NOT_PRIVATE) from None
    if not isinstance(
        private_key,
        rsa.RSAPrivateKey
        | ec.EllipticCurvePrivateKey
        | ed25519.Ed25519PrivateKey
        | ed448.Ed448PrivateKey,
    ):
        raise KeyFileError("is of a type that cannot sign tokens")
    fitting = (
        PSS_ALGORITHMS if _is_only_pss(content) else fitting_algorithms(private_key.public_key())
    )
    if not fitting:
        raise KeyFileError("is of a type that cannot sign tokens")
    return Signer(private_key, fitting[0])


def _is_only_pss(content: bytes) -> bool:
    body = b"".join(line for line in content.splitlines() if not line.startswith(b"-----"))
    try:
        return _PSS_OID in a2b_base64(body)[:32]
    except Base64Error:  # headers of an older PEM form, which no such key has
        return False
