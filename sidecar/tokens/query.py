"""The query of a request's target, as any reader may take it apart.

Readers differ: some separate parameters by ``&`` alone, some by ``;`` as well; all decode escapes
in names, and some ignore their case. Here a parameter has a name if any of them would say so. What
is not taken out stays as it was sent, byte for byte.

Called by ``extract`` and ``removal``; pure.
"""

import re
from collections.abc import Iterator
from typing import Final

_SEPARATOR: Final = re.compile(rb"([&;])")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def values_of(query: bytes, name: bytes) -> list[bytes]:
    """The decoded values of every parameter that may be read as ``name`` (in lower case)."""
    return [
        decode(parameter.partition(b"=")[2])
        for _, parameter in _parameters(query)
        if _has_name(parameter, name)
    ]


def without(query: bytes, names: frozenset[bytes]) -> bytes | None:
    """The query without the parameters of these lower-case names; ``None`` where none is left."""
    parameters = list(_parameters(query))
    kept = [
        (separator, parameter)
        for separator, parameter in parameters
        if not any(_has_name(parameter, name) for name in names)
    ]
    if len(kept) == len(parameters):
        return query
    if not kept:
        return None
    (_, first), *others = kept
    return first + b"".join(separator + parameter for separator, parameter in others)


def decode(text: bytes) -> bytes:
    """As forms are decoded: ``+`` is a blank (WHATWG URL, section 5.1)."""
    return _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), text.replace(b"+", b" "))


def _parameters(query: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each parameter, after the separator that stands before it."""
    parts = [b"", *_SEPARATOR.split(query)]
    return zip(parts[::2], parts[1::2], strict=True)


def _has_name(parameter: bytes, name: bytes) -> bool:
    return decode(parameter.partition(b"=")[0]).strip(b" ").lower() == name
