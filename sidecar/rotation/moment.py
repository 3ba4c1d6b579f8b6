"""Moments and spans of time as people read them. Pure; used in verdicts and in the keys report."""

from datetime import UTC, datetime

#: 9999-12-31T23:59:59Z, the last moment that RFC 3339 can write; later ones are written as this.
LAST_MOMENT = 253_402_300_799


def format_moment(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC, whole seconds, clamped to what the format can write."""
    seconds = int(min(max(at, 0), LAST_MOMENT))
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_span(seconds: float) -> str:
    """A span in the largest unit that tells enough: ``45 s``, ``12 min``, ``49 h``, ``9 d``."""
    seconds = max(seconds, 0)
    for unit, length_s, until_s in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 7 * 86_400)):
        if seconds < until_s:
            return f"{int(seconds // length_s)} {unit}"
    return f"{int(seconds // 86_400)} d"
