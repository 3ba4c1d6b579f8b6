"""The head of an HTTP/1.1 message: strict grammar in, canonical bytes out (RFC 9112).

Accepts exactly what the grammar allows, nothing that "most servers understand": a bare CR or LF, a
folded line, white space around a field name, a control byte are errors, so that this reader and the
next can never disagree about what a message says. Knows nothing of bodies (``wire.body``) and
decides nothing about lengths (``wire.framing``).

Called by ``proxy.stages`` for requests and ``upstream.connection`` for responses.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sidecar.errors import (
    HeadersTooLarge,
    RequestError,
    UpstreamMalformed,
    VersionNotSupported,
)

END_OF_HEAD: Final = b"\r\n\r\n"

# token = 1*tchar (RFC 9110, section 5.6.2)
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

# request-line = method SP request-target SP HTTP-version (RFC 9112, section 3).
# The target is any run of visible bytes; obs-text is let through as it came. A fragment never
# belongs there (RFC 9112, section 3.2), and readers differ on it.
_REQUEST_LINE: Final = re.compile(
    rb"(%b) ([\x21\x22\x24-\x7e\x80-\xff]++) HTTP/([0-9])\.([0-9])" % _TOKEN
)

# status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112, section 4); the second
# SP is left out by enough servers that insisting on it would break more than it protects.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*+))?")

# field-line = field-name ":" OWS field-value OWS (RFC 9112, section 5); no obs-fold, no white space
# before the colon (section 5.1), no control byte but HTAB (RFC 9110, section 5.5).
_FIELD_NAME: Final = re.compile(_TOKEN)
_FIELD_VALUE_BYTES: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

# What no head can contain, even one that has not arrived in full.
_NEVER_IN_HEAD: Final = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_METHOD_NAMES: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
}

#: One field line: its name in lower case, its name as it came, its value without white space
#: around it, and the whole line in its canonical form.
Field = tuple[bytes, bytes, bytes, bytes]

# Most field lines were seen before, word for word (the idea behind HPACK's dynamic table, RFC
# 7541): those are looked up instead of checked and taken apart again. Short lines only, so many,
# and none that may hold a secret (RFC 7541, section 7.1.3).
_MAX_KNOWN_LINES: Final = 1024
_MAX_KNOWN_LINE_BYTES: Final = 128
_NEVER_KNOWN: Final = frozenset(
    (b"authorization", b"proxy-authorization", b"cookie", b"set-cookie")
)
_known_lines: dict[bytes, Field] = {}


class _BadLine(Exception):
    """A field line out of grammar."""


# Answers that come in one second are often alike to the byte but for their bodies. Their heads are
# looked up likewise; again short ones only, so many, and only of lines that may be remembered: a
# token in a field of the application's own is longer than those.
_MAX_KNOWN_HEADS: Final = 256
_MAX_KNOWN_HEAD_BYTES: Final = 512
_known_heads: dict[bytes, "ResponseHead"] = {}


class Head:
    """The fields of a message in the order and spelling in which they came. Never changed.

    ``last`` maps a lower-case name to its last value.
    """

    __slots__ = ("_has_repeats", "fields", "last", "minor")

    def __init__(self, minor: int, fields: list[Field]) -> None:
        """``minor`` is of HTTP/1.x."""
        self.minor = minor
        self.fields = fields
        self.last = {field[0]: field[2] for field in fields}
        self._has_repeats = len(self.last) != len(fields)

    def values(self, key: bytes) -> Sequence[bytes]:
        """Every value of the field with this lower-case name, in order."""
        value = self.last.get(key)
        if value is None:
            return ()
        if not self._has_repeats:
            return (value,)
        return [field[2] for field in self.fields if field[0] == key]

    def members(self, key: bytes) -> list[bytes]:
        """The comma-separated members of a list field, in lower case (RFC 9110, section 5.6.1)."""
        if key not in self.last:
            return []
        joined = b",".join(self.values(key)).lower()
        return [part for part in (raw.strip(b" \t") for raw in joined.split(b",")) if part]

    def has_repeated(self, key: bytes) -> bool:
        """Whether the field with this lower-case name stands there more than once."""
        return self._has_repeats and len(self.values(key)) > 1


class RequestHead(Head):
    """A request line and its fields; ``target`` is as the client sent it, byte for byte."""

    __slots__ = ("method", "target")

    def __init__(self, method: str, target: bytes, minor: int, fields: list[Field]) -> None:
        super().__init__(minor, fields)
        self.method = method
        self.target = target

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} HTTP/1.{self.minor}, {len(self.fields)} fields>"

    def having(self, fields: list[Field]) -> "RequestHead":
        """The same head with these fields."""
        return RequestHead(self.method, self.target, self.minor, fields)


class ResponseHead(Head):
    """A status line and its fields; ``reason`` is the phrase, which may be empty.

    ``travelling`` is where ``wire.headers`` keeps what it has made of this head.
    """

    __slots__ = ("reason", "status", "travelling")

    def __init__(self, status: int, reason: bytes, minor: int, fields: list[Field]) -> None:
        super().__init__(minor, fields)
        self.status = status
        self.reason = reason
        self.travelling: bytes | None = None

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} HTTP/1.{self.minor}, {len(self.fields)} fields>"

    def without(self, key: bytes) -> "ResponseHead":
        """The same head but for the field with this lower-case name."""
        if key not in self.last:
            return self
        return self.having([field for field in self.fields if field[0] != key])

    def having(self, fields: list[Field]) -> "ResponseHead":
        """The same head with these fields."""
        return ResponseHead(self.status, self.reason, self.minor, fields)


def parse_request_head(data: bytes, max_fields: int) -> RequestHead:
    """A whole request head, its empty line included, as a :class:`RequestHead`.

    Raises :class:`VersionNotSupported`, :class:`HeadersTooLarge` (more than ``max_fields``) or
    :class:`RequestError`.
    """
    first, *lines = data.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise RequestError("The request line is not METHOD SP TARGET SP HTTP/1.1.")
    method, target, major, minor = line.groups()
    if major != b"1" or minor not in b"01":
        raise VersionNotSupported("Only HTTP/1.1 and HTTP/1.0 are served on this port.")
    if len(lines) - 2 > max_fields:
        raise HeadersTooLarge(f"There are more than {max_fields} header fields.")
    try:
        fields = _parse_fields(lines)
    except _BadLine:
        raise RequestError("A header field line breaks the grammar of RFC 9112.") from None
    name = _METHOD_NAMES.get(method) or method.decode("ascii")
    return RequestHead(name, target, 1 if minor == b"1" else 0, fields)


def parse_response_head(data: bytes) -> ResponseHead:
    """A whole response head, its empty line included, or :class:`UpstreamMalformed`."""
    return _known_heads.get(data) or _parse_response_head(data)


def _parse_response_head(data: bytes) -> ResponseHead:
    first, *lines = data.split(b"\r\n")
    line = _STATUS_LINE.fullmatch(first)
    if line is None:
        raise UpstreamMalformed("The application's status line is not HTTP/1.1.")
    minor, status, reason = line.groups()
    try:
        fields = _parse_fields(lines)
    except _BadLine:
        raise UpstreamMalformed("The application sent a field line out of grammar.") from None
    head = ResponseHead(int(status), reason or b"", 1 if minor == b"1" else 0, fields)
    if (
        len(data) <= _MAX_KNOWN_HEAD_BYTES
        and _NEVER_KNOWN.isdisjoint(head.last)
        and max(map(len, lines)) <= _MAX_KNOWN_LINE_BYTES
    ):
        if len(_known_heads) >= _MAX_KNOWN_HEADS:
            _known_heads.clear()
        _known_heads[data] = head
    return head


def parse_trailer_section(data: bytes) -> list[Field]:
    """A trailer section, its empty line included, or :class:`RequestError`."""
    try:
        return _parse_fields(data.split(b"\r\n"))
    except _BadLine:
        raise RequestError("A trailer field line breaks the grammar of RFC 9112.") from None


def _parse_fields(lines: list[bytes]) -> list[Field]:
    """``lines`` end with the two empty ones that the end of a head splits into."""
    if lines[-2:] != [b"", b""]:
        raise _BadLine
    known = _known_lines.get
    return [known(line) or _parse_field(line) for line in lines[:-2]]


def _parse_field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    # What is left after all bytes that a value may have are deleted, it may not have; for a long
    # value that takes half the time of a regular expression.
    if (
        not colon
        or _FIELD_NAME.fullmatch(name) is None
        or value.translate(None, _FIELD_VALUE_BYTES)
    ):
        raise _BadLine
    value = value.strip(b" \t")
    field = (name.lower(), name, value, b"%b: %b\r\n" % (name, value))
    if len(line) < _MAX_KNOWN_LINE_BYTES and field[0] not in _NEVER_KNOWN:
        if len(_known_lines) >= _MAX_KNOWN_LINES:
            _known_lines.clear()
        _known_lines[line] = field
    return field


def is_hopeless(partial: bytes, start: int = 0) -> bool:
    """Whether a head that has not arrived in full can no longer become a good one.

    Lets a bare LF or a TLS hello be refused at once instead of at the time-out. What lies before
    ``start`` was looked at earlier, and is only looked back at.
    """
    return _NEVER_IN_HEAD.search(partial, start) is not None


def field_lines(fields: Iterable[Field]) -> bytes:
    """The fields in their canonical form, one ``name: value`` a line."""
    return b"".join([field[3] for field in fields])
