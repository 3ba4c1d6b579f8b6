"""A fresh pair of keys: one private, for the signer, one public, for everybody else.

It makes keys and their PEM text and nothing more: where they go, and with which rights, is the
business of who asks. Called by the command line, the demo, and ``proxy.resign``.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sidecar.tokens.signer import Signer

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# 112 bits of security, enough until 2030 (NIST SP 800-57 part 1, table 4) for keys that are rotated
# every few months; a longer key makes every token longer and every signature slower.
_RSA_BITS = 2048
# AlgorithmIdentifier of rsaEncryption (RFC 8017, appendix A.1) and of id-RSASSA-PSS without
# parameters (RFC 4055, section 3.1), in DER.
_ANY_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_ONLY_PSS = bytes.fromhex("300b06092a864886f70d01010a")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Two PEM texts: PKCS #8 without a passphrase, and SubjectPublicKeyInfo."""

    private_pem: bytes = field(repr=False)
    public_pem: bytes


def generate_pair(algorithm: str) -> KeyPair:
    """A new pair for one of GENERATED_ALGORITHMS.

    A PS256 pair is marked as one for RSASSA-PSS alone (RFC 4055), so that its files say by
    themselves what it signs with; an RS256 pair is an ordinary RSA one.
    """
    private_key = _GENERATORS[algorithm]()
    private_der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public_der = private_key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    if algorithm == "PS256":
        private_der, public_der = _bind_to_pss(private_der), _bind_to_pss(public_der)
    return KeyPair(_pem("PRIVATE KEY", private_der), _pem("PUBLIC KEY", public_der))


def generate_signer(algorithm: str) -> tuple[Signer, bytes]:
    """A signer with a new key that is nowhere else, and its public key (SubjectPublicKeyInfo)."""
    private_key = _GENERATORS[algorithm]()
    public_pem = private_key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return Signer(private_key, algorithm), public_pem


def _generate_rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)


_GENERATORS: Mapping[str, Callable[[], _PrivateKey]] = {
    "RS256": _generate_rsa,
    "PS256": _generate_rsa,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

#: What a pair can be made for, the most widely understood first.
GENERATED_ALGORITHMS: tuple[str, ...] = tuple(_GENERATORS)


def _bind_to_pss(der: bytes) -> bytes:
    """The same RSA key with the other algorithm named in it; ``cryptography`` cannot write it."""
    content = der[4:].replace(_ANY_RSA, _ONLY_PSS, 1)
    # SEQUENCE, with a length of two bytes: true of every RSA key of this size.
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def _pem(label: str, der: bytes) -> bytes:
    # Lines of 64 characters (RFC 7468, section 2).
    text = b64encode(der)
    wrapped = b"\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), wrapped, label.encode())
