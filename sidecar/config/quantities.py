"""Durations, sizes and times: texts that stand for a number of seconds or bytes.

Each ``parse_`` function takes any plain value of a document and returns the number, or raises
ConfigError; each ``format_`` function writes a number so that parsing gives it back. The patterns
are shared with the JSON Schema. Called by ``config.forms``.
"""

import re
from datetime import UTC, datetime
from typing import TypeGuard

from sidecar.config.quote import quote
from sidecar.errors import ConfigError

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_MAX_COUNT = 999_999_999
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,3})?"
DURATION = f"(?!$)(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:[0-9]{{1,9}}ms)?|0"
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[dhms])")
_DURATION_TEXT = re.compile(DURATION)

_BYTES = {
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "GB": 10**9,
    "MB": 10**6,
    "KB": 10**3,
    "kB": 10**3,
    "B": 1,
}
SIZE = "([0-9]{1,15})(" + "|".join(_BYTES) + ")?"
_SIZE_TEXT = re.compile(SIZE)


def parse_duration(value: object) -> float:
    """Seconds of ``2s``, ``500ms``, ``1m30s``, ``48h``, ``2d`` or ``0``, to the millisecond."""
    if not isinstance(value, bool) and value == 0:
        return 0.0
    if not isinstance(value, str) or not _DURATION_TEXT.fullmatch(value):
        raise ConfigError(
            f"{quote(value)} is not a duration such as 500ms, 2s, 1m30s, 48h, 2d or 0"
        )
    parts = _DURATION_PART.findall(value)
    return round(sum(float(number) * _MILLISECONDS[unit] for number, unit in parts)) / 1000


def format_duration(seconds: float) -> str:
    """The duration in the largest unit that divides it: ``75s``, ``2d``, ``500ms``, ``0``."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0"
    unit = next(unit for unit, length in _MILLISECONDS.items() if milliseconds % length == 0)
    count = milliseconds // _MILLISECONDS[unit]
    if count <= _MAX_COUNT:
        return f"{count}{unit}"
    parts = []
    for unit, length in _MILLISECONDS.items():
        count, milliseconds = divmod(milliseconds, length)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts)


def parse_size(value: object) -> int:
    """Bytes of ``16KiB``, ``1MB``, ``512`` or ``0``."""
    if isinstance(value, str):
        match = _SIZE_TEXT.fullmatch(value)
        if match:
            return int(match[1]) * _BYTES[match[2] or "B"]
    elif is_whole(value) and value >= 0:
        return int(value)
    raise ConfigError(f"{quote(value)} is not a size such as 16KiB, 1MB, 512 (bytes) or 0")


def format_size(count: int) -> object:
    """The size in its largest binary unit that divides it, else plain bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit] == 0 and count // _BYTES[unit] < 10**15:
            return f"{count // _BYTES[unit]}{unit}"
    return count


TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_TIME_TEXT = re.compile(TIME)
_END_OF_9999 = 253_402_300_799  # the last moment that RFC 3339 can write


def parse_time(value: object) -> float:
    """Unix seconds of an RFC 3339 time; it must say its offset from UTC."""
    if isinstance(value, str) and _TIME_TEXT.fullmatch(value):
        try:
            seconds = datetime.fromisoformat(value.upper()).timestamp()
        except (ValueError, OverflowError):
            seconds = -1.0
        if 0 <= seconds <= _END_OF_9999:
            return seconds
    raise ConfigError(f"{quote(value)} is not an RFC 3339 time such as 2026-11-23T10:00:00Z")


def format_time(seconds: float) -> str:
    """The time in RFC 3339, in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def is_whole(value: object) -> TypeGuard[int | float]:
    """Whether it is a number without a fraction; ``true`` is no number."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
