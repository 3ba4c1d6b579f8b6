"""Moments and spans as people read them."""

import pytest

from sidecar.rotation.moment import LAST_MOMENT, format_moment, format_span


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_428_000.9, "2026-11-23T10:00:00Z"),
        (-5, "1970-01-01T00:00:00Z"),
        (LAST_MOMENT, "9999-12-31T23:59:59Z"),
        (1e300, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_moment_is_rfc_3339_and_never_fails(at: float, text: str) -> None:
    assert format_moment(at) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (45, "45 s"),
        (119.9, "119 s"),
        (720, "12 min"),
        (49 * 3600 + 5, "49 h"),
        (9 * 86400, "9 d"),
    ],
)
def test_a_span_has_the_largest_unit_that_tells_enough(seconds: float, text: str) -> None:
    assert format_span(seconds) == text
