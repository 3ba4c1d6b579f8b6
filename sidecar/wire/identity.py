"""Who the caller is, said in header fields that only we may write.

Every spelling of an identity field that an application could read as ours (`X-Auth-Username`,
`x_auth_username`, …) is removed from what the client sent, on every path, before ours is written.

Called by ``proxy.stages``; pure.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: Tells the application, in observe mode, what enforce would have said.
STATUS_FIELD: Final = b"X-Auth-Status"

# CGI, WSGI and their heirs fold every byte that is not a letter or digit into one "_" when they
# make variable names of field names, so "X_Auth.Username" can reach an application as ours.
_FOLDED: Final = bytes(
    byte if chr(byte).isalnum() and byte < 128 else ord("-") for byte in range(256)
)

# Percent-encoded (RFC 3986, section 2.1): all that is not visible ASCII or an inner space, and "%".
_UNSAFE: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]|^ | $")
_UNSAFE_IN_LIST: Final = re.compile(rb"[^\x20-\x24\x26-\x2b\x2d-\x7e]|^ | $")


class Identity:
    """The fields that name the caller; ``claims`` maps a claim to the name of its field."""

    __slots__ = ("_names", "_written")

    def __init__(self, claims: Mapping[str, str]) -> None:
        self._written = [(claim, field.encode("ascii")) for claim, field in claims.items()]
        names = [field for _, field in self._written]
        self._names = frozenset(fold(name) for name in [*names, STATUS_FIELD])

    def is_forged(self, key: bytes) -> bool:
        """Whether a client's field of this lower-case name poses as one of ours."""
        return key.translate(_FOLDED) in self._names

    def lines(self, claims: Mapping[str, Any] | None, status: str | None) -> bytes:
        """Our field lines: one for each claim that the token carries, and the status if given."""
        out = b""
        if claims is not None:
            for claim, field in self._written:
                value = claims.get(claim)
                if value is not None:
                    out += b"%b: %b\r\n" % (field, field_value(value))
        if status is not None:
            out += b"%b: %b\r\n" % (STATUS_FIELD, status.encode("ascii"))
        return out


def field_value(value: Any) -> bytes:
    """A claim as the value of a header field.

    Text is UTF-8, percent-encoded where it is not visible ASCII; lists are joined with commas, the
    commas in their members encoded; numbers and booleans as in JSON; objects as encoded JSON.
    """
    if isinstance(value, list):
        return b",".join(_encode(_text(member), _UNSAFE_IN_LIST) for member in value)
    return _encode(_text(value), _UNSAFE)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encode(text: str, unsafe: re.Pattern[bytes]) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return unsafe.sub(lambda match: b"".join(b"%%%02X" % byte for byte in match[0]), raw)


def fold(name: bytes) -> bytes:
    """One spelling of every field name that applications may read as this one."""
    return name.lower().translate(_FOLDED)
