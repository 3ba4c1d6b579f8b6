"""Reads JSON objects so that every reader must read the same (RFC 8259 and RFC 7493, I-JSON).

Refuses what parsers are known to disagree about: duplicated members at any depth, NaN and
Infinity, numbers beyond a double, lone surrogates, other encodings than UTF-8, deep nesting.

Called by ``verify`` for headers and payloads of tokens, and by ``parse`` for JWK and JWKS files.
"""

import json
from math import isfinite
from typing import Any, NoReturn

MAX_DEPTH = 16


def parse_object(data: bytes) -> dict[str, Any]:
    """The one JSON object in ``data``; raises ``ValueError``, whose message quotes none of it."""
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError("not strict JSON in UTF-8") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and not _is_shallow(value):
        raise ValueError("nested too deeply")
    if "\\u" in text and _has_lone_surrogate(value):
        raise ValueError("not Unicode text")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is duplicated")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("not a JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
)


def _is_shallow(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        containers = [item for item in level if isinstance(item, (dict, list))]
        if not containers:
            return True
        level = [
            child
            for item in containers
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return not any(isinstance(item, (dict, list)) for item in level)


def _has_lone_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
