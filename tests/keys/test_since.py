"""The statement beside the keys."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import KeyFileError
from sidecar.keys.since import parse_since


@pytest.mark.parametrize(
    "text",
    [
        b"2026-11-23T10:00:00Z",
        b"2026-11-23t10:00:00z\n",
        b" 2026-11-23 10:00:00Z ",
        b"2026-11-23T11:00:00+01:00",
        b"2026-11-23T10:00:00.000Z",
    ],
)
def test_an_rfc_3339_time_is_read(text: bytes) -> None:
    assert parse_since(text) == 1795428000.0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2026-11-23",
        b"2026-11-23T10:00:00",
        b"2026-W48-1T10:00:00Z",
        b"20261123T100000Z",
        b"2026-13-23T10:00:00Z",
        b"2026-11-23T25:00:00Z",
        b"1795428000",
        b"2026-11-23T10:00:00Z 2026-11-23T10:00:00Z",
        b"now",
        b"\xff",
        b"0001-01-01T00:00:00+23:59",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(KeyFileError, match="RFC 3339"):
        parse_since(text)


@given(st.binary(max_size=30))
def test_any_bytes_are_a_time_or_the_refusal(text: bytes) -> None:
    with suppress(KeyFileError):
        assert parse_since(text) >= 0
