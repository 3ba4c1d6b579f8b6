"""A value as somebody wrote it, with the place where; and what an unquoted word of YAML means.

The meaning follows the core schema of YAML 1.2 without its rarer number forms: ``null``, ``true``,
``false`` and decimal numbers are what they look like, everything else is text. So ``off``,
``15:06`` and ``2026-11-23`` stay what the user wrote, as they do in editors, where YAML 1.1 would
make them false, 906 and a date. Knows no setting and reads no file; flags, environment and file all
become ``Written`` before ``config.read`` judges them.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

_MAX_INTEGER_DIGITS = 18  # longer ones become floats, so that none is slow to turn into text
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


@dataclass(frozen=True, slots=True)
class Written:
    """One value that somebody wrote, and where (``file sidecar.yaml:12``).

    ``value`` is a text, number, flag or None, a list of Written, or a dict of them by name.
    """

    value: Any
    origin: str

    def plain(self) -> Any:
        """The value alone, all the way down."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        return self.value


def write(value: object, origin: str) -> Written:
    """A plain value, all the way down, as something written at ``origin``."""
    if isinstance(value, list | tuple):
        return Written([write(item, origin) for item in value], origin)
    if isinstance(value, dict):
        return Written({str(name): write(item, origin) for name, item in value.items()}, origin)
    return Written(value, origin)


def plain_scalar(text: str) -> Any:
    """What an unquoted word means: nothing, a flag, a number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _MAX_INTEGER_DIGITS:
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
