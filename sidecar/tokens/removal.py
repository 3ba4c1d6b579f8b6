"""What of a request the application never sees of its token.

A query parameter that carries tokens is taken out always: targets end up in logs. With
``auth.forward.token: strip`` or ``resign`` the token goes from every place, on every path, public
ones included: what nobody verified must not arrive where the application would believe it.
It takes out a place's content whatever it holds, and leaves all else byte for byte.

Called by ``proxy.credentials``; pure.
"""

from typing import Final

from sidecar.tokens.cookies import CookieName
from sidecar.tokens.query import without
from sidecar.tokens.settings import AuthSettings

_BLANKS: Final = b" \t"


class TokenRemoval:
    """Built once from ``auth.from`` and ``auth.forward``.

    ``headers``: the names, as they are configured, of the fields of which the client's go.
    """

    __slots__ = ("_cookies", "_parameters", "headers")

    def __init__(self, settings: AuthSettings) -> None:
        places, forward = settings.places, settings.forward
        self._parameters = frozenset(
            place.query.lower().encode("ascii") for place in places if place.query
        )
        self._cookies: tuple[CookieName, ...] = ()
        self.headers: tuple[str, ...] = ()
        if forward.token != "keep":
            self.headers = tuple(place.header for place in places if place.header)
            self._cookies = tuple(CookieName(place.cookie) for place in places if place.cookie)
        if forward.token == "resign":
            self.headers += (forward.resign.header,)

    @property
    def has_cookies(self) -> bool:
        """Whether any cookie is to go."""
        return bool(self._cookies)

    @property
    def has_parameters(self) -> bool:
        """Whether any query parameter is to go."""
        return bool(self._parameters)

    def target(self, target: bytes) -> bytes:
        """The request's target without the parameters that carry tokens."""
        path, mark, query = target.partition(b"?")
        if not mark:
            return target
        kept = without(query, self._parameters)
        return path if kept is None else b"%b?%b" % (path, kept)

    def cookies(self, value: bytes) -> bytes | None:
        """A ``Cookie`` field's value without the cookies that carry tokens; ``None``: none left.

        What stands between two ``;`` goes as a whole where any reader finds such a cookie in it.
        """
        pairs = value.split(b";")
        kept = [pair for pair in pairs if not self._is_token(pair)]
        if len(kept) == len(pairs):
            return value
        if kept and kept[0] is not pairs[0]:
            kept[0] = kept[0].lstrip(_BLANKS)
        return b";".join(kept) if any(pair.strip(_BLANKS) for pair in kept) else None

    def _is_token(self, pair: bytes) -> bool:
        return any(cookie.is_in(pair) for cookie in self._cookies)
