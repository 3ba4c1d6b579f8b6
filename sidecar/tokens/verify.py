"""A token, a keyring and the time to a verified token, or to the reason why not.

In this order: size, form, algorithm, key, signature, claims, switch. The algorithm comes from the
key, never from the token (RFC 8725, section 3.1); nothing that a token says of itself is believed
before its signature held. It fetches nothing and reads no clock.

Called by ``permit`` for requests and by the command line's ``token inspect``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from sidecar.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    IssuedAfterSwitch,
    KeysUnavailable,
    TokenError,
    TokenMalformed,
    TokenRevoked,
    TokenTooLarge,
    TokenUnbounded,
    UnknownKey,
)
from sidecar.tokens.cache import Entry, VerifiedTokens
from sidecar.tokens.claims import ClaimRules
from sidecar.tokens.compact import CompactToken, UnverifiedHeader, parse_compact, parse_header
from sidecar.tokens.keyring import Key, Keyring
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.signature import CHECKS
from sidecar.tokens.strictjson import parse_object

_MAX_KNOWN_HEADERS: Final = 64
_FOREVER: Final = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedToken:
    """A token whose signature and claims held. Times in unix seconds; ``digest`` is the first half
    of the SHA-256 of its text, ``token_id`` its ``jti``."""

    key: Key
    key_id: str
    algorithm: str
    claims: Mapping[str, Any] = field(repr=False)
    issued_at: int | None
    expires_at: int | None
    not_before: int | None
    digest: bytes
    token_id: str | None = None


class Verifier:
    """Verifies tokens as ``auth`` demands, and remembers the good ones.

    Not for several threads at once.
    """

    def __init__(self, settings: AuthSettings, *, cache_entries: int = 20_000) -> None:
        algorithms = settings.algorithms or CHECKS
        self._allowed = frozenset(CHECKS).intersection(algorithms)
        self._max_token_bytes = settings.max_token_bytes
        self._leeway_s = settings.leeway_s
        self._holds_switch = settings.switch == "enforce"
        self._claim_rules = ClaimRules(settings)
        self.remembered = VerifiedTokens(cache_entries)
        # Headers of tokens whose signature held: an issuer's tokens share theirs.
        self._known_headers: dict[bytes, UnverifiedHeader] = {}

    def verify(self, token: bytes, keyring: Keyring, now: float) -> VerifiedToken:
        """Raises the :class:`TokenError` that fits, naming the key where its signature held."""
        if len(token) > self._max_token_bytes:
            raise TokenTooLarge(f"The token is longer than {self._max_token_bytes} bytes.")
        digest = sha256(token).digest()
        entry = self.remembered.get(digest)
        if entry is not None:
            verified: VerifiedToken = entry.token
            if self._is_still_good(entry, verified, keyring, now):
                return verified
            self.remembered.drop(digest)
        return self._verify_anew(token, digest, keyring, now)

    def _is_still_good(
        self, entry: Entry, verified: VerifiedToken, keyring: Keyring, now: float
    ) -> bool:
        key = keyring.by_id.get(verified.key_id)
        if key is not verified.key and not _is_same(key, verified):
            return False
        if not entry.valid_from <= now < entry.valid_until:
            return False
        if keyring.revoked_tokens and verified.token_id in keyring.revoked_tokens:
            return False
        return not self._holds_switch or not self._is_past_switch(
            verified.key_id, verified.issued_at, keyring, now
        )

    def _verify_anew(
        self, token: bytes, digest: bytes, keyring: Keyring, now: float
    ) -> VerifiedToken:
        if not keyring.by_id and not keyring.revoked_keys:
            raise KeysUnavailable
        parts = parse_compact(token)
        header = self._known_headers.get(parts.header_part) or parse_header(parts.header_part)
        candidates = self._candidates(header, keyring)
        try:
            claims = parse_object(parts.unverified_payload)
        except ValueError:
            raise TokenMalformed("The token's payload is not a JSON object.") from None
        key = _find_signer(parts, header.algorithm, candidates)
        if key is None:
            raise _explain_signature(parts, header, keyring)
        self._learn(parts.header_part, header)
        token_id = _token_id(claims)
        try:
            if token_id in keyring.revoked_tokens:
                raise TokenRevoked("The token was revoked by its jti.")
            times = self._claim_rules.check(claims, now, key.issuer)
            if self._holds_switch:
                self._check_switch(key.id, times.issued_at, keyring, now)
        except TokenError as error:
            error.key_id, error.generation = key.id, keyring.generation(key.id)
            error.issued_at = _issued_at(claims)
            raise
        verified = VerifiedToken(
            key=key,
            key_id=key.id,
            algorithm=header.algorithm,
            claims=MappingProxyType(claims),
            issued_at=times.issued_at,
            expires_at=times.expires_at,
            not_before=times.not_before,
            digest=digest[:16],
            token_id=token_id,
        )
        self._remember(verified, digest, len(token))
        return verified

    def _candidates(self, header: UnverifiedHeader, keyring: Keyring) -> tuple[Key, ...]:
        algorithm, claimed_kid = header
        if algorithm not in self._allowed:
            raise AlgorithmNotAllowed
        candidates = keyring.candidates(claimed_kid, algorithm)
        if candidates or keyring.revoked_candidates(claimed_kid, algorithm):
            return candidates
        if claimed_kid is not None and claimed_kid not in keyring.by_id:
            raise TokenRevoked if claimed_kid in keyring.revoked else UnknownKey
        raise AlgorithmNotAllowed("No key of the keyring allows the token's algorithm.")

    def _check_switch(
        self, key_id: str, issued_at: int | None, keyring: Keyring, now: float
    ) -> None:
        if self._is_past_switch(key_id, issued_at, keyring, now):
            if issued_at is None:
                raise TokenUnbounded("The token has no iat, so it may be from after the switch.")
            raise IssuedAfterSwitch

    def _is_past_switch(
        self, key_id: str, issued_at: int | None, keyring: Keyring, now: float
    ) -> bool:
        """Once a newer key is stated to sign, an older one's tokens must be from before that."""
        closed_since = keyring.closed_since.get(key_id)
        if closed_since is None or now < closed_since:
            return False
        return issued_at is None or issued_at > closed_since + self._leeway_s

    def _learn(self, header_part: bytes, header: UnverifiedHeader) -> None:
        if len(self._known_headers) >= _MAX_KNOWN_HEADERS:
            self._known_headers.clear()
        self._known_headers[header_part] = header

    def _remember(self, verified: VerifiedToken, digest: bytes, size_bytes: int) -> None:
        begins = max(verified.issued_at or 0, verified.not_before or 0)
        ends = _FOREVER if verified.expires_at is None else verified.expires_at + self._leeway_s
        entry = Entry(verified, begins - self._leeway_s, ends, size_bytes)
        self.remembered.put(digest, entry)


def _find_signer(parts: CompactToken, algorithm: str, candidates: tuple[Key, ...]) -> Key | None:
    check = CHECKS[algorithm]
    for key in candidates:
        if check(key.public_key, parts.signing_input, parts.signature):
            return key
    return None


def _explain_signature(
    parts: CompactToken, header: UnverifiedHeader, keyring: Keyring
) -> TokenError:
    """Why no key of the ring signed it: one that was revoked did, or none that is known."""
    revoked = keyring.revoked_candidates(header.claimed_kid, header.algorithm)
    key = _find_signer(parts, header.algorithm, revoked)
    if key is None:
        return BadSignature()
    error = TokenRevoked("The token's key was revoked.")
    error.key_id, error.generation = key.id, keyring.generation(key.id)
    return error


def _issued_at(claims: Mapping[str, Any]) -> int | None:
    """When a token that is refused was issued, as far as it says so in a number."""
    issued_at = claims.get("iat")
    return issued_at if type(issued_at) is int else None


def _token_id(claims: Mapping[str, Any]) -> str | None:
    """The ``jti`` (RFC 7519, section 4.1.7), as a line of a list has it; some write a number."""
    token_id = claims.get("jti")
    if isinstance(token_id, str):
        return token_id
    return str(token_id) if type(token_id) is int else None


def _is_same(key: Key | None, verified: VerifiedToken) -> bool:
    """Whether a key that was loaded again is still the one that verified the token."""
    return (
        key is not None
        and key.thumbprint == verified.key.thumbprint
        and key.issuer == verified.key.issuer
        and verified.algorithm in key.algorithms
    )
