"""Reads ``ID.since``: the statement, kept beside the keys, from when on all signers use key ID.

The file holds one RFC 3339 time and nothing else. ``sidecar rotate switched`` writes it; the source
of the keys reads it.
"""

import re
from datetime import UTC, datetime

from sidecar.errors import KeyFileError

SUFFIX = ".since"
# RFC 3339, section 5.6, whose time always says its offset from UTC.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_since(content: bytes) -> float:
    """Unix seconds; raises :class:`KeyFileError`."""
    try:
        text = content.decode("ascii").strip()
        if _DATE_TIME.fullmatch(text) is None:
            raise ValueError
        moment = datetime.fromisoformat(text.upper()).timestamp()
        if moment < 0:
            raise ValueError
    except ValueError:
        raise KeyFileError("does not hold one RFC 3339 time such as 2026-11-23T10:00:00Z") from None
    return moment


def format_since(moment: float) -> bytes:
    """What the file holds for a moment in unix seconds, whole ones."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ\n").encode()
