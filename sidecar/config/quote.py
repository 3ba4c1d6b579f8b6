"""A value or a path as a message may show it: short, printable, and without any secret.

People paste key texts and tokens where a path belongs, and messages end in logs. Everything that
names a wrong value goes through ``quote``, every name that a user chose through ``path_below``;
nothing is decided by what they return.
"""

import math
import re

_MAX_CHARACTERS = 60
_SECRET = re.compile(r"-----BEGIN|eyJ[A-Za-z0-9_-]{8}|(?i:bearer\s)")
_NAME = re.compile(r"[A-Za-z0-9_./*:-]{1,60}")
_PASSWORD = re.compile(r"//[^/]*@")


def quote(value: object) -> str:
    """The value for a sentence: ``'maybe'``, ``true``, ``null``, ``a list``, ``a mapping``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a huge number" if 1e15 <= abs(value) < math.inf else str(value)
    if isinstance(value, str):
        return _quote_text(value)
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def path_below(path: str, name: str) -> str:
    """The path of ``name`` inside ``path``; a name that a user chose is quoted where it must be."""
    shown = name if _NAME.fullmatch(name) and not _SECRET.search(name) else f"[{quote(name)}]"
    return f"{path}.{shown}" if path and not shown.startswith("[") else path + shown


def _quote_text(text: str) -> str:
    if _SECRET.search(text):
        return "a text that looks like a key or token (not shown)"
    text = _PASSWORD.sub("//…@", text)
    if len(text) > _MAX_CHARACTERS:
        return repr(text[:_MAX_CHARACTERS] + "…")
    return repr(text)
