"""The bytes of a key file to keys: PEM, X.509 certificate, JWK or JWKS.

Loading is left to ``cryptography`` and PyJWT. What cannot be used is skipped and reported; private
and symmetric keys are refused, and marked, since they should not lie there at all. No report quotes
the file's content.

Called by ``keys.source`` for files, and by the command line for keys that a user names.
"""

import re
from binascii import a2b_base64
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import PublicKeyAlgorithmOID

from sidecar.errors import KeyFileError
from sidecar.tokens.jwk import ForeignKey, PrivateKeyFound, parse_jwk, thumbprint_of
from sidecar.tokens.keyring import Key
from sidecar.tokens.signature import PSS_ALGORITHMS, fitting_algorithms
from sidecar.tokens.strictjson import parse_object

#: Far more than a JWKS of ``MAX_KEYS_IN_SET`` keys needs.
MAX_KEY_FILE_BYTES = 1 << 20
#: What verifies tokens is a handful; every key may have to be tried for a token that names none.
MAX_KEYS_IN_SET = 200
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384

_MAX_ID_LENGTH = 200
# RFC 7468, section 2.
_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_PEM_BODY = re.compile(rb"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]*)-----END PUBLIC KEY-----")
_PUBLIC_LABELS = frozenset((b"PUBLIC KEY", b"RSA PUBLIC KEY", b"CERTIFICATE"))
_OVERSIZE = f"is larger than {MAX_KEY_FILE_BYTES // 1024} KiB, which no key file is"
# id-RSASSA-PSS (RFC 4055, section 3.1), which stands in the first bytes of such a key.
_PSS_OID = bytes.fromhex("06092a864886f70d01010a")


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why a key is not used: ``text`` continues a sentence that begins with the file's name.

    ``is_private``: a private key lies where it must not. ``is_foreign``: it is no fault at all, the
    key serves another purpose.
    """

    text: str
    is_private: bool = False
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class KeyReading:
    """What a file held: its usable keys, in its order, and what is wrong with the rest."""

    keys: tuple[Key, ...]
    problems: tuple[KeyProblem, ...] = ()


def read_keys(content: bytes, *, stem: str, source: str) -> KeyReading:
    """Every usable key in ``content``; never raises.

    ``stem`` is the id of a key that states none of its own; ``source`` names the file for people.
    """
    try:
        if len(content) > MAX_KEY_FILE_BYTES:
            raise KeyFileError(_OVERSIZE)
        if not content.strip():
            raise KeyFileError("is empty")
        if content.lstrip()[:1] == b"{":
            return _read_json(content, stem, source)
        return _read_pem(content, stem, source)
    except KeyFileError as error:
        return KeyReading((), (_problem(error),))


def is_private_key(content: bytes) -> bool:
    """Whether the bytes are, or contain, a private key in PEM or JWK."""
    problems = read_keys(content, stem="key", source="").problems
    return any(problem.is_private for problem in problems)


def _problem(error: KeyFileError, prefix: str = "") -> KeyProblem:
    return KeyProblem(
        prefix + error.detail,
        is_private=isinstance(error, PrivateKeyFound),
        is_foreign=isinstance(error, ForeignKey),
    )


# --- PEM -----------------------------------------------------------------------------------


def _read_pem(content: bytes, stem: str, source: str) -> KeyReading:
    labels = _PEM_LABEL.findall(content)
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        raise PrivateKeyFound("is a private key; only public keys belong here")
    if not labels:
        raise KeyFileError("is neither PEM nor a JWK or JWKS")
    if labels[0] not in _PUBLIC_LABELS:
        raise KeyFileError("is PEM, but neither a public key nor a certificate")
    try:
        if labels[0] == b"CERTIFICATE":
            public_key, algorithms = _load_certificate(content)
        else:
            public_key, algorithms = _load_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError("is PEM, but cannot be read as a public key") from None
    key = _build_key(stem, public_key, algorithms, source)
    if len(labels) == 1 or labels[0] == b"CERTIFICATE":  # the rest of a chain are its issuers
        return KeyReading((key,))
    return KeyReading((key,), (KeyProblem("holds several keys; only the first is used"),))


def _load_public_key(content: bytes) -> tuple[object, tuple[str, ...]]:
    public_key = load_pem_public_key(content)
    body = _PEM_BODY.search(content)
    is_pss = body is not None and _PSS_OID in a2b_base64(body[1])[:24]
    return public_key, PSS_ALGORITHMS if is_pss else fitting_algorithms(public_key)


def _load_certificate(content: bytes) -> tuple[object, tuple[str, ...]]:
    certificate = x509.load_pem_x509_certificate(content)
    public_key = certificate.public_key()
    is_pss = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    return public_key, PSS_ALGORITHMS if is_pss else fitting_algorithms(public_key)


# --- JSON ----------------------------------------------------------------------------------


def _read_json(content: bytes, stem: str, source: str) -> KeyReading:
    try:
        document = parse_object(content)
    except ValueError as error:
        raise KeyFileError(f"is not usable JSON: {error}") from None
    if "keys" not in document:
        return KeyReading((_key_of_jwk(document, stem, source),))
    members = document["keys"]
    if not isinstance(members, list):
        raise KeyFileError('is not a JWKS: "keys" is not a list')
    if not members:
        raise KeyFileError("is a JWKS without keys")
    return _read_set(members, stem, source)


def _read_set(members: list[Any], stem: str, source: str) -> KeyReading:
    keys: dict[str, Key] = {}
    problems: list[KeyProblem] = []
    for position, member in enumerate(members, start=1):
        if len(keys) >= MAX_KEYS_IN_SET:
            text = f"holds {len(members)} keys; the first {MAX_KEYS_IN_SET} that fit are used"
            problems.append(KeyProblem(text))
            break
        prefix = f"key {position} of {len(members)} "
        try:
            if not isinstance(member, dict):
                raise KeyFileError("is not a JSON object")
            key = _key_of_jwk(member, stem, source)
        except KeyFileError as error:
            problems.append(_problem(error, prefix))
            continue
        if keys.setdefault(key.id, key) is not key:
            problems.append(KeyProblem(f"{prefix}has the id {key.id} of an earlier key"))
    return KeyReading(tuple(keys.values()), tuple(problems))


def _key_of_jwk(jwk: dict[str, Any], stem: str, source: str) -> Key:
    kid, public_key, algorithms = parse_jwk(jwk)
    return _build_key(stem if kid is None else kid, public_key, algorithms, source)


# --- what every key must be ------------------------------------------------------------------


def _build_key(key_id: str, public_key: object, algorithms: tuple[str, ...], source: str) -> Key:
    # An id is shown in logs, metrics and answers.
    if not 0 < len(key_id) <= _MAX_ID_LENGTH or not key_id.isprintable():
        raise KeyFileError(f"has an id that is not 1 to {_MAX_ID_LENGTH} printable characters")
    if not algorithms:
        raise KeyFileError("is of a type that cannot verify tokens")
    if isinstance(public_key, rsa.RSAPublicKey):
        _check_rsa(public_key)
    return Key(key_id, algorithms, public_key, thumbprint_of(public_key), source)


def _check_rsa(public_key: rsa.RSAPublicKey) -> None:
    bits = public_key.key_size
    if bits < MIN_RSA_BITS:
        raise KeyFileError(f"is an RSA key of {bits} bits; {MIN_RSA_BITS} are the least")
    exponent = public_key.public_numbers().e
    # A tiny or even exponent is no protection; a huge key or exponent makes every check slow.
    if bits > MAX_RSA_BITS or exponent < 3 or not exponent & 1 or exponent.bit_length() > 64:
        raise KeyFileError("is an RSA key with an unusual modulus or exponent")
