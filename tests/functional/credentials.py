"""Signers and their tokens, for tests against the running program.

Everything that must never show up in a log is remembered in ``secrets``: whoever ends a sidecar
looks for it there.
"""

import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

#: Pieces of every token and key that was made here.
secrets: set[str] = set()


def remember_token(token: str) -> str:
    """The same token; from now on none of its parts may be found in a log."""
    secrets.update(part for part in token.split(".") if len(part) >= 12)
    return token


class Signer:
    """Holds a private key, signs tokens, and publishes the public key as a file."""

    def __init__(self, key_id: str, algorithm: str, private_key: Any) -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self._private_key = private_key
        self.private_pem: bytes = private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        self.public_pem: bytes = private_key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        for pem in (self.private_pem, self.public_pem):
            lines = pem.decode().splitlines()[1:-1]
            secrets.update(line for line in lines if len(line) >= 40)

    @classmethod
    def generate(cls, key_id: str, algorithm: str = "ES256") -> "Signer":
        """A new signer. ES256 keys are made in no time, RS256 keys are not."""
        private_key: Any
        if algorithm == "ES256":
            private_key = ec.generate_private_key(ec.SECP256R1())
        elif algorithm == "EdDSA":
            private_key = ed25519.Ed25519PrivateKey.generate()
        else:
            private_key = rsa.generate_private_key(65537, 2048)
        return cls(key_id, algorithm, private_key)

    @classmethod
    def read(cls, path: Path, algorithm: str) -> "Signer":
        """A signer with the key that ``sidecar keys generate`` wrote to ``path``."""
        return cls(path.stem, algorithm, load_pem_private_key(path.read_bytes(), None))

    def publish(self, directory: Path) -> Path:
        """Write the public key where a keyring can find it."""
        path = directory / f"{self.key_id}.pub"
        path.write_bytes(self.public_pem)
        return path

    def token(self, *, kid: str | None = None, lifetime_s: float = 3600, **claims: Any) -> str:
        """A signed token. ``kid`` is the signer's own unless given, ``""`` leaves it out; a claim
        that is ``None`` is left out too."""
        now = int(time.time())
        payload = {"username": "bruce", "iat": now, "exp": now + int(lifetime_s), **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        kid = self.key_id if kid is None else kid
        headers = {"kid": kid} if kid else None
        return remember_token(
            jwt.encode(payload, self._private_key, algorithm=self.algorithm, headers=headers)
        )
