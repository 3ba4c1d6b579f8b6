"""A verified token to a short-lived one of our own, with the same claims.

For an application that knows one public key and no other: ours. Only what was verified is signed
anew (the argument's type says so), nothing lives longer than the caller's token, and a token that
was signed is remembered until near its end, so that a caller who comes again costs no signature.

Called by ``proxy.credentials``; pure, the time is an argument.
"""

from typing import Any, Final

from sidecar.tokens.cache import Entry, VerifiedTokens
from sidecar.tokens.settings import ResignSettings
from sidecar.tokens.signer import Signer
from sidecar.tokens.verify import VerifiedToken

_FOREVER: Final = float("inf")


class Reissuer:
    """Signs with ``signer``; remembers up to ``cache_entries`` tokens. Not for several threads."""

    __slots__ = ("_lifetime_s", "_prefix", "_remembered", "_signer")

    def __init__(
        self, settings: ResignSettings, signer: Signer, *, cache_entries: int = 10_000
    ) -> None:
        self._signer = signer
        self._lifetime_s = int(settings.lifetime_s)
        scheme = f"{settings.scheme} " if settings.scheme else ""
        self._prefix = f"{settings.header}: {scheme}".encode("ascii")
        self._remembered = VerifiedTokens(cache_entries)

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._remembered)

    def field_line(self, verified: VerifiedToken, now: float) -> bytes:
        """The header field line that carries our token for this one; ``now`` in unix seconds."""
        entry = self._remembered.get(verified.digest)
        if entry is None or not entry.valid_from <= now < entry.valid_until:
            entry = self._sign(verified, now)
            self._remembered.put(verified.digest, entry)
        line: bytes = entry.token
        return line

    def _sign(self, verified: VerifiedToken, now: float) -> Entry:
        issued_at = int(now)
        claims: dict[str, Any] = dict(verified.claims)
        claims["iat"] = issued_at
        claims["exp"] = expires_at = self._expiry(verified, issued_at)
        if verified.not_before is not None:
            # Within the leeway it may lie ahead, and the application may have no leeway.
            claims["nbf"] = min(verified.not_before, issued_at)
        line = self._prefix + self._signer.sign(claims).encode("ascii") + b"\r\n"
        # Renewed at half its life; one that ends with the caller's token cannot be renewed.
        is_last = expires_at == verified.expires_at
        renewed_at = _FOREVER if is_last else issued_at + self._lifetime_s / 2
        return Entry(line, issued_at, renewed_at, len(line))

    def _expiry(self, verified: VerifiedToken, issued_at: int) -> int:
        expires_at = issued_at + self._lifetime_s
        return expires_at if verified.expires_at is None else min(expires_at, verified.expires_at)
