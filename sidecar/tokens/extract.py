"""From the fields and the query of a request to the text of its token.

Every configured place is looked at, so that two tokens in one request are always noticed (RFC 6750,
section 2: a client must not send more than one). It judges no token and knows no key.

Called by ``permit`` for each request that needs a token.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.errors import TokenDuplicate, TokenMalformed
from sidecar.tokens.cookies import CookieName
from sidecar.tokens.query import values_of
from sidecar.tokens.settings import AuthSettings, PlaceSettings

#: The values of a request's field, in order, by its lower-case name.
FieldValues = Callable[[bytes], Sequence[bytes]]
_Place = Callable[[FieldValues, bytes | None], bytes | None]

_BLANKS: Final = b" \t"

# auth-scheme = token (RFC 9110, section 11.1), but without dots, which a scheme never has and a JWT
# always.
_SCHEME: Final = re.compile(rb"[!#$%&'*+\-^_`|~0-9A-Za-z]+")
_SEPARATORS: Final = re.compile(rb"[ \t,]+")


class TokenExtractor:
    """Built once from ``auth.from``."""

    __slots__ = ("_first", "_others")

    def __init__(self, settings: AuthSettings) -> None:
        places = [_build_place(place) for place in settings.places]
        self._first = places[0]
        self._others = places[1:]

    def extract(self, values: FieldValues, query: bytes | None = None) -> bytes | None:
        """The token's text, or ``None`` where no place holds one. ``query`` as it was sent.

        Raises :class:`TokenDuplicate` for two fields, cookies or parameters of one name and for
        different tokens in different places, :class:`TokenMalformed` for a scheme that no token
        follows and for a token that only some readers would find.
        """
        token = self._first(values, query)
        for place in self._others:
            found = place(values, query)
            if token is None:
                token = found
            elif found is not None and found != token:
                raise TokenDuplicate("Different tokens stand in different places.")
        return token


def _build_place(place: PlaceSettings) -> _Place:
    scheme = place.scheme.lower().encode("ascii")
    if place.header is not None:
        return _header_place(place.header.lower().encode("ascii"), scheme)
    if place.cookie is not None:
        return _cookie_place(place.cookie, scheme)
    if place.query is not None:
        return _query_place(place.query.lower().encode("ascii"), scheme)
    raise ValueError("a place is a header, a cookie or a query parameter")


def _header_place(name: bytes, scheme: bytes) -> _Place:
    def read(values: FieldValues, _: bytes | None) -> bytes | None:
        found = values(name)
        if not found:
            return None
        if len(found) > 1:
            raise TokenDuplicate("The field that carries the token is there more than once.")
        value = found[0].strip(_BLANKS)
        token = _after_scheme(value, scheme, is_optional=False) if value else None
        if token is None and value and not _is_of_another_scheme(value, scheme):
            raise TokenMalformed("The token's field is not the scheme, a blank, the token.")
        return token

    return read


def _cookie_place(name: str, scheme: bytes) -> _Place:
    cookie = CookieName(name)

    def read(values: FieldValues, _: bytes | None) -> bytes | None:
        found = cookie.only_value(values(b"cookie"))
        if not found:
            return None
        # RFC 6265, section 4.1.1: the quotes belong to the syntax of the cookie.
        if len(found) > 1 and found[0] == found[-1] == ord('"'):
            found = found[1:-1].strip(_BLANKS)
        token = _after_scheme(found, scheme, is_optional=True) if found else None
        if token is None and b"." in found.partition(b" ")[0]:
            # A reader for whom a value ends at a blank would take its first word for the token.
            raise TokenMalformed("Something follows the token in its cookie.")
        return token

    return read


def _query_place(name: bytes, scheme: bytes) -> _Place:
    def read(_: FieldValues, query: bytes | None) -> bytes | None:
        found = values_of(query, name) if query else ()
        if not found:
            return None
        if len(found) > 1:
            raise TokenDuplicate("The parameter that carries the token is there more than once.")
        value = found[0].strip(_BLANKS)
        return _after_scheme(value, scheme, is_optional=True) if value else None

    return read


def _is_of_another_scheme(value: bytes, scheme: bytes) -> bool:
    """Whether no reader, however lenient, finds our scheme or a bare token in the value."""
    if _SCHEME.fullmatch(value.partition(b" ")[0]) is None:
        return False
    return scheme not in _SEPARATORS.split(value.lower())


def _after_scheme(value: bytes, scheme: bytes, *, is_optional: bool) -> bytes | None:
    """The token after the scheme; ``None`` where the value is of another scheme.

    ``is_optional``: a value without a blank is the token itself, without any scheme.
    """
    if not scheme:
        return value
    word, _, rest = value.partition(b" ")
    if word.lower() == scheme:
        token = rest.strip(_BLANKS)
        if not token:
            raise TokenMalformed("No token follows the scheme.")
        return token
    return value if is_optional and word == value else None
