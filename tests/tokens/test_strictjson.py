"""JSON that every reader must read the same."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.strictjson import MAX_DEPTH, parse_object

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_VALUES = st.recursive(
    _SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_every_object_of_ordinary_json_is_read(value: dict[str, object]) -> None:
    text = json.dumps(value)
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        assert parse_object(text.encode()) == value


@given(st.binary())
def test_any_bytes_are_an_object_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(parse_object(data), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"text"',
        b'{"a":1} x',
        b'{"a":1}{"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\\ud800"}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_parsers_disagree_about_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[\w -]+$"):
        parse_object(data)


def test_nesting_is_bounded_and_the_bound_itself_is_allowed() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * depth + b"1" + b"}" * depth

    assert parse_object(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_object(nested(depth))


def test_a_wide_object_is_not_taken_for_a_deep_one() -> None:
    wide = {"keys": [{"n": index} for index in range(200)]}
    assert parse_object(json.dumps(wide).encode()) == wide


def test_paired_surrogates_are_text() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
