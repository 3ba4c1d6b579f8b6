"""A cookie that any reader would find is found, or the request is refused."""

from http.cookies import CookieError, SimpleCookie

import pytest
from aiohttp._cookie_helpers import parse_cookie_header
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import TokenDuplicate, TokenMalformed
from sidecar.tokens.extract import TokenExtractor
from sidecar.tokens.removal import TokenRemoval
from sidecar.tokens.settings import AuthSettings, ForwardSettings, PlaceSettings

PLACES = (PlaceSettings(cookie="session", scheme="Bearer"),)
EXTRACTOR = TokenExtractor(AuthSettings(places=PLACES))
REMOVAL = TokenRemoval(AuthSettings(places=PLACES, forward=ForwardSettings(token="strip")))

HIDDEN = [
    b"a=b session=EVIL",
    b"a=b, session=EVIL",
    b"a=b,session=EVIL",
    b"a=b\tsession=EVIL",
    b"a=b\xa0session=EVIL",
    b'a="b" session=EVIL',
    b'a="session=EVIL"',
    b"%73ession=EVIL",
    b"sess%69on=EVIL",
    b'"session"=EVIL',
    b"=session=EVIL",
    b"\xa0session=EVIL",
    b"session%00=EVIL",
    b"session[]=EVIL",
    b"session\x0b=EVIL",
]


def extract(*fields: bytes) -> bytes | None:
    return EXTRACTOR.extract(lambda name: fields if name == b"cookie" else ())


@pytest.mark.parametrize("piece", HIDDEN)
def test_a_cookie_that_only_some_readers_find_is_refused(piece: bytes) -> None:
    with pytest.raises(TokenMalformed):
        extract(piece)
    with pytest.raises((TokenDuplicate, TokenMalformed)):
        extract(b"session=a.b.c; " + piece)
    with pytest.raises((TokenDuplicate, TokenMalformed)):
        extract(piece, b"session=a.b.c")


@pytest.mark.parametrize("piece", HIDDEN)
def test_such_a_cookie_is_taken_out_with_all_that_it_stands_in(piece: bytes) -> None:
    assert REMOVAL.cookies(b"x=1; " + piece + b"; y=2") == b"x=1; y=2"


@pytest.mark.parametrize("field", [b"session=a.b.c x", b'session="a.b.c x"'])
def test_what_follows_a_token_in_its_cookie_is_malformed(field: bytes) -> None:
    with pytest.raises(TokenMalformed):
        extract(field)


@pytest.mark.parametrize(
    "field", [b"next=/login?session=1", b"xsession=1", b"session", b"a=my-session=1", b"Session=1"]
)
def test_another_cookie_is_no_token_and_stays(field: bytes) -> None:
    assert extract(field) is None
    assert REMOVAL.cookies(field) == field


def test_a_dot_is_an_underscore_for_some_readers() -> None:
    places = (PlaceSettings(cookie="access_token"),)
    extractor = TokenExtractor(AuthSettings(places=places))
    with pytest.raises(TokenMalformed):
        extractor.extract(lambda name: (b"access.token=x",))


PIECES = st.sampled_from(
    [b"session", b"=", b";", b" ", b",", b'"', b"a", b"a.b.c", b"E.V.IL", b"\t", b"\xa0", b"\\"]
)


def found_by_readers(field: bytes) -> set[str]:
    text = field.decode("latin-1")
    found = {cookie.value for name, cookie in parse_cookie_header(text) if name == "session"}
    try:
        jar: SimpleCookie = SimpleCookie(text)
    except CookieError:
        return found
    return found | ({jar["session"].value} if "session" in jar else set())


@given(st.lists(PIECES, max_size=14).map(b"".join))
def test_no_reader_finds_a_token_that_was_taken_out_or_not_seen(field: bytes) -> None:
    rest = REMOVAL.cookies(field)
    assert rest is None or not any(found_by_readers(rest))
    try:
        token = extract(field)
    except (TokenDuplicate, TokenMalformed):
        return
    assert token is not None or not any("." in value for value in found_by_readers(field))
