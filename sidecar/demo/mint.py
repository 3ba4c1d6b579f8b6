"""The keys of the demo, and tokens of every kind that a service meets.

It plays the operator, and the people who forge tokens. Private keys are written for the
commands that a visitor may want to try; they live as long as the demo and open nothing else.
"""

import time
from pathlib import Path

import jwt

from sidecar.tokens.generate import generate_pair
from sidecar.tokens.signer import Signer, parse_signer

_ALGORITHM = "RS256"


class Mint:
    """Private keys by id. ``directory`` gets ``ID.key`` and ``ID.pub`` of each."""

    def __init__(self, directory: Path, lifetime_s: int) -> None:
        self._directory = directory
        self._lifetime_s = lifetime_s
        self._signers: dict[str, Signer] = {}
        self._forger: Signer | None = None

    def make_key(self, key_id: str) -> None:
        """Generate a pair and write its two files."""
        pair = generate_pair(_ALGORITHM)
        private_path = self.private_file(key_id)
        private_path.touch(mode=0o600)
        private_path.write_bytes(pair.private_pem)
        self.public_file(key_id).write_bytes(pair.public_pem)
        self._signers[key_id] = parse_signer(pair.private_pem)

    def private_file(self, key_id: str) -> Path:
        return self._directory / f"{key_id}.key"

    def public_file(self, key_id: str) -> Path:
        return self._directory / f"{key_id}.pub"

    def valid(self, key_id: str, username: str) -> str:
        """What a login answers with."""
        return self._signers[key_id].sign(self._claims(username), key_id)

    def expired(self, key_id: str, username: str) -> str:
        """Good until an hour ago."""
        claims = self._claims(username, age_s=self._lifetime_s + 3600)
        return self._signers[key_id].sign(claims, key_id)

    def forged(self, key_id: str, username: str) -> str:
        """Signed by somebody else, who states the id of our key."""
        if self._forger is None:
            self._forger = parse_signer(generate_pair(_ALGORITHM).private_pem)
        return self._forger.sign(self._claims(username), key_id)

    def unsigned(self, key_id: str, username: str) -> str:
        """The oldest trick: algorithm ``none`` and no signature (RFC 8725, section 2.1)."""
        return jwt.encode(self._claims(username), "", algorithm="none", headers={"kid": key_id})

    def _claims(self, username: str, age_s: int = 0) -> dict[str, str | int]:
        issued_at = int(time.time()) - age_s
        return {"username": username, "iat": issued_at, "exp": issued_at + self._lifetime_s}
