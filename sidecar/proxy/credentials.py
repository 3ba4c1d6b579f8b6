"""What the application sees of the token with which a caller came.

The caller's own as it was, none at all, or one that the sidecar signed: never a token that nobody
verified where the application would take it for ours. Fields that go as a whole are left out by
``wire.headers``, which asks by name; here are those of which a part goes, and what is added.

Called by ``proxy.stages`` for each request that is forwarded.
"""

from sidecar.tokens.permit import Permit
from sidecar.tokens.reissue import Reissuer
from sidecar.tokens.removal import TokenRemoval
from sidecar.wire.head import Field


class Credentials:
    """``reissuer``: only where the application gets tokens of our own."""

    __slots__ = ("_has_cookies", "_has_parameters", "_reissuer", "_removal")

    def __init__(self, removal: TokenRemoval, reissuer: Reissuer | None) -> None:
        self._removal = removal
        self._reissuer = reissuer
        self._has_cookies = removal.has_cookies
        self._has_parameters = removal.has_parameters

    def target(self, target: bytes) -> bytes:
        """The request's target as the application gets it."""
        return self._removal.target(target) if self._has_parameters else target

    def fields(self, fields: list[Field]) -> list[Field]:
        """The travelling fields without the cookies that carry tokens."""
        if not self._has_cookies or all(field[0] != b"cookie" for field in fields):
            return fields
        kept: list[Field] = []
        for field in fields:
            key, name, value, _ = field
            if key != b"cookie":
                kept.append(field)
                continue
            rest = self._removal.cookies(value)
            if rest is value:
                kept.append(field)
            elif rest is not None:
                kept.append((key, name, rest, b"%b: %b\r\n" % (name, rest)))
        return kept

    def line(self, permit: Permit, now: float) -> bytes:
        """The field line with our own token; nothing where no token was verified."""
        if self._reissuer is None or permit.token is None:
            return b""
        return self._reissuer.field_line(permit.token, now)
