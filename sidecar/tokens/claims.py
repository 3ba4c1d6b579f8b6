"""What the claims of a token must say (RFC 7519, section 4.1), once its signature has held.

Called by ``verify``; pure, the time is an argument.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sidecar.errors import (
    LifetimeTooLong,
    MissingClaim,
    TokenExpired,
    TokenMalformed,
    TokenNotYetValid,
    TokenUnbounded,
    WrongAudience,
    WrongIssuer,
)
from sidecar.tokens.settings import AuthSettings

#: 9999-12-31T23:59:59Z: no later moment can be written in RFC 3339.
LAST_MOMENT: Final = 253_402_300_799


class Times(NamedTuple):
    """The three moments of a token, in unix seconds; ``None`` where the claim is absent."""

    issued_at: int | None
    expires_at: int | None
    not_before: int | None


class ClaimRules:
    """``auth``'s demands on claims, in the form in which they are checked."""

    __slots__ = ("_audience", "_issuers", "_leeway_s", "_max_lifetime_s", "_needs_exp", "_required")

    def __init__(self, settings: AuthSettings) -> None:
        self._issuers = settings.issuer
        self._audience = frozenset(settings.audience)
        self._required = settings.require
        self._leeway_s = settings.leeway_s
        self._max_lifetime_s = settings.max_lifetime_s
        self._needs_exp = not settings.allow_unbounded or settings.max_lifetime_s > 0

    def check(self, claims: Mapping[str, Any], now: float, key_issuer: str | None = None) -> Times:
        """The token's times; raises the :class:`TokenError` of the first demand that is not met.

        ``key_issuer``: the only issuer that the token's key may speak for.
        """
        times = Times(_moment(claims, "iat"), _moment(claims, "exp"), _moment(claims, "nbf"))
        self._check_times(times, now)
        for name in self._required:
            if claims.get(name) is None:
                raise MissingClaim(f"The claim {name} is required.")
        issuer = claims.get("iss")
        if self._issuers and issuer not in self._issuers:
            raise WrongIssuer
        if key_issuer is not None and issuer != key_issuer:
            raise WrongIssuer("The token's iss is not the issuer that its key belongs to.")
        if self._audience:
            self._check_audience(claims.get("aud"))
        return times

    def _check_times(self, times: Times, now: float) -> None:
        issued_at, expires_at, not_before = times
        if expires_at is None:
            if self._needs_exp:
                raise TokenUnbounded("The token has no exp.")
        elif now >= expires_at + self._leeway_s:
            raise TokenExpired
        if self._max_lifetime_s > 0:
            if issued_at is None or expires_at is None:
                raise TokenUnbounded("The token has no iat, so its lifetime is not known.")
            if expires_at - issued_at > self._max_lifetime_s:
                raise LifetimeTooLong
        for moment in (not_before, issued_at):
            if moment is not None and moment > now + self._leeway_s:
                raise TokenNotYetValid

    def _check_audience(self, stated: object) -> None:
        names = [stated] if isinstance(stated, str) else stated
        if names is None:
            raise WrongAudience("The token names no audience.")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TokenMalformed("The claim aud is neither a string nor a list of strings.")
        if self._audience.isdisjoint(names):
            raise WrongAudience


def _moment(claims: Mapping[str, Any], name: str) -> int | None:
    """A NumericDate (RFC 7519, section 2), in whole seconds."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) is not int:  # a bool is an int, too
        raise TokenMalformed(f"The claim {name} is not a whole number.")
    if not 0 <= value <= LAST_MOMENT:
        raise TokenMalformed(f"The claim {name} lies outside the years 1970 to 9999.")
    return value
