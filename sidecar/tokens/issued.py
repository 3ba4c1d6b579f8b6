"""A token that is handed out: which key of the keyring signed it, if any, and until when it lives.

What its bearer will be told is not asked here (``verify`` does that, and refuses more); only
whether it may be accepted anywhere counts. So every algorithm that a key allows is tried whatever
``auth.algorithms`` says, and a date that is not the whole number it should be is read as the latest
that it can mean.

Called by the proxy for tokens in answers; pure.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.errors import IssuedNotJwt, TokenMalformed
from sidecar.tokens.compact import parse_compact, parse_header
from sidecar.tokens.keyring import Key, Keyring
from sidecar.tokens.signature import CHECKS
from sidecar.tokens.strictjson import parse_object


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token and who signed it; ``key`` is None where no key of the keyring verifies it.

    Times are whole unix seconds, claims only where there is no key; None = none.
    """

    key: Key | None
    issued_at: int | None
    expires_at: int | None

    @property
    def key_id(self) -> str:
        """The id of the key that signed it; only where there is one."""
        assert self.key is not None
        return self.key.id


def parse_issued(token: bytes, keyring: Keyring) -> SignedToken:
    """Raises :class:`IssuedNotJwt`: nothing tells then what it is."""
    try:
        parts = parse_compact(token)
        header = parse_header(parts.header_part)
        claims = parse_object(parts.unverified_payload)
    except (TokenMalformed, ValueError):
        raise IssuedNotJwt from None
    check = CHECKS.get(header.algorithm)
    key = None
    if check is not None:
        for candidate in keyring.candidates(header.claimed_kid, header.algorithm):
            if check(candidate.public_key, parts.signing_input, parts.signature):
                key = candidate
                break
    return SignedToken(key, _moment(claims, "iat"), _moment(claims, "exp"))


def is_behind(
    token: SignedToken, closed_since: float | None, *, leeway_s: float, now: float
) -> bool:
    """Whether its key was no longer to be signed with: a newer one is stated to sign since
    ``closed_since`` (unix seconds; None = nothing is stated).

    By the token's own date, and by our clock: a signer that dates its tokens back, or not at all,
    is behind as well.
    """
    if closed_since is None or now < closed_since:
        return False
    limit = closed_since + leeway_s
    return token.issued_at is None or token.issued_at > limit or now > limit


def _moment(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if type(value) is int:
        return value
    return math.ceil(value) if isinstance(value, float) else None
