"""Durations, sizes and times are read as written; everything else is refused."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.quantities import (
    format_duration,
    format_size,
    format_time,
    parse_duration,
    parse_size,
    parse_time,
)
from sidecar.errors import ConfigError

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2.0),
        ("500ms", 0.5),
        ("1m30s", 90.0),
        ("48h", 172800.0),
        ("2d", 172800.0),
        ("1d1h1m1s1ms", 90061.001),
        ("1.5h", 5400.0),
        ("0", 0.0),
        (0, 0.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        5,
        2.5,
        True,
        False,
        None,
        "s",
        "-1s",
        "1s1m",
        "1 s",
        "1S",
        "1.2345s",
        "\u0661s",
        "1s\n",
    ],
)
def test_what_is_no_duration_is_refused_with_examples(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a duration such as 500ms, 2s"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("16KiB", 16384),
        ("1MB", 1_000_000),
        ("0", 0),
        (0, 0),
        (512, 512),
        ("512B", 512),
        ("2kB", 2000),
    ],
)
def test_a_size_is_read_in_bytes(text: object, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("value", ["", "1.5MiB", -1, "-1", 1.5, True, None, "16kib", "1 MB", "MB"])
def test_what_is_no_size_is_refused_with_examples(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a size such as 16KiB"):
        parse_size(value)


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T10:00:00Z", "2026-11-23t10:00:00z", "2026-11-23T12:00:00+02:00"],
)
def test_a_time_is_read_with_its_offset(text: str) -> None:
    assert parse_time(text) == 1795428000.0
    assert format_time(parse_time(text)) == "2026-11-23T10:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T10:00:00",
        "2026-11-23",
        "2026-02-30T10:00:00Z",
        "2026-11-23T25:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        1795428000,
        None,
    ],
)
def test_what_is_no_rfc_3339_time_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="is not an RFC 3339 time"):
        parse_time(value)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_formatted_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.from_regex(r"([0-9]{1,5}(\.[0-9]{1,3})?[dhms]|[0-9]{1,9}ms)", fullmatch=True))
def test_a_written_duration_survives_being_shown(text: str) -> None:
    seconds = parse_duration(text)
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(min_value=0, max_value=10**14))
def test_a_formatted_size_reads_back(count: int) -> None:
    assert parse_size(format_size(count)) == count


@given(st.integers(min_value=0, max_value=253_402_300_799))
def test_a_formatted_time_reads_back(seconds: int) -> None:
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize("parse", [parse_duration, parse_size, parse_time])
@given(value=plain_values)
def test_parsers_raise_nothing_but_config_errors(
    parse: Callable[[object], float], value: object
) -> None:
    with suppress(ConfigError):
        assert parse(value) >= 0
