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

# field-line = field-name ":" OWS field-value OWS (RFC 9112, section 5); no obs-fold, no white space
# before the colon (section 5.1), no control byte but HTAB (RFC 9110, section 5.5).
_FIELD_LINES: Final = rb"((?:%b:[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n" % _TOKEN

# request-line = method SP request-target SP HTTP-version (RFC 9112, section 3).
# The target is any run of visible bytes; obs-text is let through as it came. A fragment never
# belongs there (RFC 9112, section 3.2), and readers differ on it.
_REQUEST_LINE: Final = rb"(%b) ([\x21\x22\x24-\x7e\x80-\xff]++) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN

# status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112, section 4); the second
# SP is left out by enough servers that insisting on it would break more than it protects.
_STATUS_LINE: Final = rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n"

_REQUEST_HEAD: Final = re.compile(_REQUEST_LINE + _FIELD_LINES)
_RESPONSE_HEAD: Final = re.compile(_STATUS_LINE + _FIELD_LINES)
_FIELD_SECTION: Final = re.compile(_FIELD_LINES)
_FIRST_LINE: Final = re.compile(_REQUEST_LINE)

# What no head can contain, even one that has not arrived in full.
_NEVER_IN_HEAD: Final = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_METHOD_NAMES: Final = {
    name.encode(): name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
}


#: One field line: its name in lower case, its name as it came, its value without white space
#: around it, and the whole line in its canonical form.
Field = tuple[bytes, bytes, bytes, bytes]

# Most field lines of a connection were seen before, word for word (the idea behind HPACK's dynamic
# table, RFC 7541): those are looked up instead of taken apart again. Short lines only, so many, and
# none that may hold a secret (RFC 7541, section 7.1.3).
_MAX_KNOWN_LINES: Final = 1024
_MAX_KNOWN_LINE_BYTES: Final = 128
_NEVER_KNOWN: Final = frozenset(
    (b"authorization", b"proxy-authorization", b"cookie", b"set-cookie")
)
_known_lines: dict[bytes, Field] = {}


class Head:
    """The fields of a message in the order and spelling in which they came.

    ``last`` maps a lower-case name to its last value.
    """

    __slots__ = ("_has_repeats", "fields", "last", "minor")

    def __init__(self, minor: int, section: bytes) -> None:
        """``section`` are field lines that have passed the grammar; ``minor`` is of HTTP/1.x."""
        known = _known_lines.get
        # Plain splitting is exact after the grammar, and costs half of a regular expression.
        self.fields = fields = [
            (len(line) < _MAX_KNOWN_LINE_BYTES and known(line)) or _field(line)
            for line in section.split(b"\r\n")[:-1]
        ]
        self.last = last = {field[0]: field[2] for field in fields}
        self.minor = minor
        self._has_repeats = len(last) != len(fields)

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

    def forget(self, key: bytes) -> None:
        """Remove the field with this lower-case name."""
        if self.last.pop(key, None) is not None:
            self.fields = [field for field in self.fields if field[0] != key]

    def has_repeated(self, key: bytes) -> bool:
        """Whether the field with this lower-case name stands there more than once."""
        return self._has_repeats and len(self.values(key)) > 1


def _field(line: bytes) -> Field:
    name, _, value = line.partition(b":")
    value = value.strip(b" \t")
    field = (name.lower(), name, value, b"%b: %b\r\n" % (name, value))
    if len(line) < _MAX_KNOWN_LINE_BYTES and field[0] not in _NEVER_KNOWN:
        if len(_known_lines) >= _MAX_KNOWN_LINES:
            _known_lines.clear()
        _known_lines[line] = field
    return field


class RequestHead(Head):
    """A request line and its fields; ``target`` is as the client sent it, byte for byte."""

    __slots__ = ("method", "target")

    def __init__(self, method: str, target: bytes, minor: int, section: bytes) -> None:
        super().__init__(minor, section)
        self.method = method
        self.target = target

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} HTTP/1.{self.minor}, {len(self.fields)} fields>"


class ResponseHead(Head):
    """A status line and its fields; ``reason`` is the phrase, which may be empty."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: bytes, minor: int, section: bytes) -> None:
        super().__init__(minor, section)
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} HTTP/1.{self.minor}, {len(self.fields)} fields>"


def parse_request_head(data: bytes, max_fields: int) -> RequestHead:
    """A whole request head, its empty line included, as a :class:`RequestHead`.

    Raises :class:`VersionNotSupported`, :class:`HeadersTooLarge` (more than ``max_fields``) or
    :class:`RequestError`.
    """
    match = _REQUEST_HEAD.fullmatch(data)
    if match is None:
        raise _explain_request(data)
    method, target, major, minor, section = match.groups()
    if major != b"1" or minor not in b"01":
        raise VersionNotSupported("Only HTTP/1.1 and HTTP/1.0 are served on this port.")
    name = _METHOD_NAMES.get(method) or method.decode("ascii")
    head = RequestHead(name, target, 1 if minor == b"1" else 0, section)
    if len(head.fields) > max_fields:
        raise HeadersTooLarge(f"There are more than {max_fields} header fields.")
    return head


def _explain_request(data: bytes) -> RequestError:
    if _FIRST_LINE.match(data) is None:
        return RequestError("The request line is not METHOD SP TARGET SP HTTP/1.1.")
    return RequestError("A header field line breaks the grammar of RFC 9112, section 5.")


def parse_response_head(data: bytes) -> ResponseHead:
    """A whole response head, its empty line included, or :class:`UpstreamMalformed`."""
    match = _RESPONSE_HEAD.fullmatch(data)
    if match is None:
        raise UpstreamMalformed("The application's response head breaks the grammar of RFC 9112.")
    minor, status, reason, section = match.groups()
    return ResponseHead(int(status), reason or b"", 1 if minor == b"1" else 0, section)


def parse_trailer_section(data: bytes) -> list[Field]:
    """A trailer section, its empty line included, or :class:`RequestError`."""
    match = _FIELD_SECTION.fullmatch(data)
    if match is None:
        raise RequestError("A trailer field line breaks the grammar of RFC 9112, section 7.1.2.")
    return Head(1, match[1]).fields


def is_hopeless(partial: bytes, start: int = 0) -> bool:
    """Whether a head that has not arrived in full can no longer become a good one.

    Lets a bare LF or a TLS hello be refused at once instead of at the time-out. What lies before
    ``start`` was looked at earlier, and is only looked back at.
    """
    return _NEVER_IN_HEAD.search(partial, start) is not None


def field_lines(fields: Iterable[Field]) -> bytes:
    """The fields in their canonical form, one ``name: value`` a line."""
    return b"".join([field[3] for field in fields])
