"""Where a token stands in a request."""

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import TokenDuplicate, TokenMalformed
from sidecar.tokens.extract import TokenExtractor
from sidecar.tokens.settings import AuthSettings, PlaceSettings

HEADER = PlaceSettings(header="Authorization", scheme="Bearer")
COOKIE = PlaceSettings(cookie="session", scheme="Bearer")


def extract(fields: dict[bytes, list[bytes]], *places: PlaceSettings) -> bytes | None:
    def values(name: bytes) -> Sequence[bytes]:
        return fields.get(name, ())

    return TokenExtractor(AuthSettings(places=places or (HEADER,))).extract(values)


@pytest.mark.parametrize(
    "value", [b"Bearer a.b.c", b"bearer a.b.c", b"BEARER   a.b.c", b" Bearer a.b.c\t"]
)
def test_the_token_follows_the_scheme_in_any_case(value: bytes) -> None:
    assert extract({b"authorization": [value]}) == b"a.b.c"


@pytest.mark.parametrize(
    "value",
    [
        b"Basic dXNlcjpwYXNz",
        b'Digest username="a.b", uri="/a.b.c"',
        b"Negotiate",
        b"BearerToken x",
        b"",
        b"  ",
    ],
)
def test_a_value_of_another_scheme_is_no_token(value: bytes) -> None:
    assert extract({b"authorization": [value]}) is None


@pytest.mark.parametrize(
    "value",
    [
        b"a.b.c",
        b"a.b.c Bearer",
        b"Bearera.b.c",
        b"Bearer,a.b.c",
        b"Bearer:a.b.c",
        b"Bearer=a.b.c",
        b"Bearer\ta.b.c",
        b"bearer\t a.b.c",
        b'"Bearer a.b.c"',
        b"Basic, Bearer a.b.c",
        b"Basic x, Bearer a.b.c",
        b"Basic x,bearer\ta.b.c",
    ],
)
def test_what_only_some_readers_take_for_the_token_is_malformed(value: bytes) -> None:
    with pytest.raises(TokenMalformed):
        extract({b"authorization": [value]})


def test_no_field_is_no_token() -> None:
    assert extract({}) is None
    assert extract({}, HEADER, COOKIE) is None


@pytest.mark.parametrize("value", [b"Bearer", b"Bearer ", b"bearer \t "])
def test_a_scheme_without_a_token_is_malformed(value: bytes) -> None:
    with pytest.raises(TokenMalformed):
        extract({b"authorization": [value]})


@pytest.mark.parametrize("second", [b"Bearer a.b.c", b"Bearer d.e.f", b"Basic x", b""])
def test_two_fields_are_a_duplicate_whatever_they_say(second: bytes) -> None:
    with pytest.raises(TokenDuplicate):
        extract({b"authorization": [b"Bearer a.b.c", second]})


def test_a_header_without_scheme_is_the_token_itself() -> None:
    assert extract({b"x-token": [b"a.b.c"]}, PlaceSettings(header="X-Token")) == b"a.b.c"


@pytest.mark.parametrize(
    "field",
    [
        b"session=a.b.c",
        b'session="a.b.c"',
        b'session="Bearer a.b.c"',
        b"session=Bearer a.b.c",
        b'theme=dark; session="bearer a.b.c"; x=y',
        b'junk; ; =; session = "Bearer a.b.c" ',
    ],
)
def test_a_cookie_may_be_quoted_and_may_carry_the_scheme(field: bytes) -> None:
    assert extract({b"cookie": [field]}, COOKIE) == b"a.b.c"


def test_cookies_of_several_fields_count_as_one_list() -> None:
    fields = {b"cookie": [b"theme=dark", b"session=a.b.c"]}
    assert extract(fields, COOKIE) == b"a.b.c"
    with pytest.raises(TokenDuplicate):
        extract({b"cookie": [b"session=a.b.c", b"session=a.b.c"]}, COOKIE)


@pytest.mark.parametrize(
    "field",
    [b"session=a.b.c; session=d.e.f", b"session=; session=a.b.c", b'session="x; session=a.b.c"'],
)
def test_two_cookies_of_the_name_are_a_duplicate(field: bytes) -> None:
    with pytest.raises(TokenDuplicate):
        extract({b"cookie": [field]}, COOKIE)


@pytest.mark.parametrize(
    "field", [b"session=", b'session=""', b"Session=a.b.c", b"xsession=a.b.c", b"session=Basic x"]
)
def test_a_cookie_that_is_empty_or_another_is_no_token(field: bytes) -> None:
    assert extract({b"cookie": [field]}, COOKIE) is None


def test_the_same_token_in_two_places_is_one_token() -> None:
    fields = {b"authorization": [b"Bearer a.b.c"], b"cookie": [b'session="Bearer a.b.c"']}
    assert extract(fields, HEADER, COOKIE) == b"a.b.c"


def test_different_tokens_in_two_places_are_a_duplicate() -> None:
    fields = {b"authorization": [b"Bearer a.b.c"], b"cookie": [b"session=d.e.f"]}
    with pytest.raises(TokenDuplicate):
        extract(fields, HEADER, COOKIE)


def test_another_scheme_in_the_first_place_does_not_hide_the_second() -> None:
    fields = {b"authorization": [b"Basic x"], b"cookie": [b"session=d.e.f"]}
    assert extract(fields, HEADER, COOKIE) == b"d.e.f"


@given(st.lists(st.binary(max_size=40), max_size=2), st.lists(st.binary(max_size=40), max_size=2))
def test_any_bytes_are_a_token_or_none_or_one_of_the_two_refusals(
    headers: list[bytes], cookies: list[bytes]
) -> None:
    with suppress(TokenDuplicate, TokenMalformed):
        token = extract({b"authorization": headers, b"cookie": cookies}, HEADER, COOKIE)
        assert token is None or token.strip()


# --- query parameters ------------------------------------------------------------------------

QUERY = PlaceSettings(query="access_token", scheme="Bearer")


def extract_from(query: bytes | None, *places: PlaceSettings, header: bytes = b"") -> bytes | None:
    fields = {b"authorization": [header] if header else []}
    extractor = TokenExtractor(AuthSettings(places=places or (QUERY,)))
    return extractor.extract(lambda name: fields.get(name, ()), query)


@pytest.mark.parametrize(
    "query",
    [
        b"access_token=a.b.c",
        b"x=1&access%5Ftoken=a%2Eb.c&y",
        b"access_token=Bearer+a.b.c",
        b"access_token=bearer%20a.b.c",
        b"x=1;ACCESS_TOKEN=a.b.c",
    ],
)
def test_a_query_parameter_is_a_place_where_it_is_asked_for(query: bytes) -> None:
    assert extract_from(query) == b"a.b.c"
    assert extract_from(query, HEADER) is None


@pytest.mark.parametrize("query", [None, b"", b"access_token", b"access_token=", b"x=access_token"])
def test_a_query_without_a_value_of_the_name_is_no_token(query: bytes | None) -> None:
    assert extract_from(query) is None


@pytest.mark.parametrize(
    "query",
    [
        b"access_token=a.b.c&access_token=a.b.c",
        b"access_token=&access_token=a.b.c",
        b"access_token=a.b.c;x&access%5ftoken=d",
        b"access_token=a.b.c&Access_Token=d",
    ],
)
def test_two_parameters_of_the_name_are_a_duplicate(query: bytes) -> None:
    with pytest.raises(TokenDuplicate):
        extract_from(query)


def test_header_and_parameter_must_agree() -> None:
    both = (HEADER, QUERY)
    assert extract_from(b"access_token=a.b.c", *both, header=b"Bearer a.b.c") == b"a.b.c"
    with pytest.raises(TokenDuplicate):
        extract_from(b"access_token=d.e.f", *both, header=b"Bearer a.b.c")
