"""Parameters of a query: found in every spelling, taken out without touching the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.query import values_of, without

NAME = b"access_token"


def taken_out(query: bytes) -> bytes | None:
    return without(query, frozenset((NAME,)))


@pytest.mark.parametrize(
    "query",
    [
        b"access_token=a.b.c",
        b"access%5Ftoken=a.b.c",
        b"%61%63%63%65%73%73%5f%74%6f%6b%65%6e=a.b.c",
        b"ACCESS_TOKEN=a.b.c",
        b"+access_token=a.b.c",
        b"access_token=a%2Eb%2ec",
        b"x=1;access_token=a.b.c",
        b"x=1&access_token=a.b.c&y=2",
    ],
)
def test_a_parameter_is_found_however_its_name_is_spelled(query: bytes) -> None:
    assert values_of(query, NAME) == [b"a.b.c"]
    assert values_of(taken_out(query) or b"", NAME) == []


@pytest.mark.parametrize(
    "query",
    [b"", b"access_tokens=1", b"x=access_token", b"x=access_token=1", b"access%255Ftoken=1"],
)
def test_another_name_is_another_parameter(query: bytes) -> None:
    assert values_of(query, NAME) == []
    assert taken_out(query) == query


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        (b"access_token=t", None),
        (b"access_token", None),
        (b"access_token=t&access_token=u", None),
        (b"access_token=t&a=1", b"a=1"),
        (b"a=1&access_token=t", b"a=1"),
        (b"a=1&access_token=t&b=2", b"a=1&b=2"),
        (b"a=1;access_token=t&b=2", b"a=1&b=2"),
        (b"a=%7E&&access_token=t&b=+%2b;c", b"a=%7E&&b=+%2b;c"),
        (b"&access_token=t", b""),
        (b"a=1&access_token=t&b=2&access%5ftoken=u", b"a=1&b=2"),
    ],
)
def test_the_rest_stays_byte_for_byte(query: bytes, rest: bytes | None) -> None:
    assert taken_out(query) == rest


pieces = st.lists(
    st.sampled_from([b"a=1", b"", b"b=%26", b"c", b"access_token=t", b"Access%5Ftoken=u", b"d=;e"]),
    max_size=6,
)


@given(pieces, st.sampled_from([b"&", b";"]))
def test_whatever_is_taken_out_the_others_stay_in_order(parts: list[bytes], mark: bytes) -> None:
    others = [part for part in parts if b"oken" not in part]
    rest = taken_out(mark.join(parts))
    assert (rest or b"") == mark.join(others)


@given(st.binary(max_size=60))
def test_any_bytes_can_be_taken_apart_and_hold_no_token_afterwards(query: bytes) -> None:
    rest = taken_out(query)
    assert rest is None or values_of(rest, NAME) == []
    if not values_of(query, NAME):
        assert rest == query
