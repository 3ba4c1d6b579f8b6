"""HTTP/1.x between two others, overheard: fields are added to its requests, nothing else changes.

Bytes in, the same bytes out. As long as it is sure where a request's head begins and ends, the head
is handed to ``rewrite``, and the answers' heads to ``answered``. From the first byte that leaves a
doubt on, it passes everything as it is and says nothing more: what two others agree on is not for
it to refuse. It cannot be made to change anything but heads that are in grammar, and one that both
sides understand (RFC 9112).

Called by ``proxy.outbound`` for each connection of the application; no I/O, no clock.
"""

import re
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Generic, TypeVar

from sidecar.errors import RequestError, SidecarError, UpstreamMalformed
from sidecar.wire.body import Decoder, build_decoder
from sidecar.wire.framing import UNTIL_CLOSE, request_length, response_length
from sidecar.wire.head import (
    END_OF_HEAD,
    RequestHead,
    ResponseHead,
    is_hopeless,
    parse_request_head,
    parse_response_head,
)

#: Heads that are larger are not looked at.
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 1000
#: Requests that wait for their answers on one connection.
MAX_OUTSTANDING: Final = 256

_METHOD: Final = re.compile(rb"[A-Z][A-Z-]{0,19}")
_TARGET: Final = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0")
_STATUS_LINE_BEGINNING: Final = b"HTTP/1."

T = TypeVar("T")


class Protocol(Enum):
    """What is spoken, as far as it is known."""

    UNDECIDED = "undecided"
    HTTP = "http"
    OPAQUE = "opaque"


class Conversation(Generic[T]):
    """Two directions of one connection. ``rewrite`` is given each request's head and its bytes, and
    returns the bytes to send instead and a mark; ``answered`` is given the mark and the head of the
    final answer."""

    def __init__(
        self,
        rewrite: Callable[[RequestHead, bytes], tuple[bytes, T]],
        answered: Callable[[T, ResponseHead], None],
    ) -> None:
        self.protocol = Protocol.UNDECIDED
        self._rewrite = rewrite
        self._answered = answered
        self._outstanding: deque[tuple[str, T]] = deque()
        self._requests = _Reader(self._take_request, may_begin_request)
        self._responses = _Reader(self._take_response, _may_begin_response)
        self._may_switch = False  # another protocol was asked for, and not yet granted or refused
        self._awaits_body = False  # the body may never come: its sender waits to be asked for it

    def __repr__(self) -> str:
        return f"<Conversation {self.protocol.value}, {len(self._outstanding)} unanswered>"

    @property
    def is_holding(self) -> bool:
        """Whether a beginning of a request's head is held back until the rest has come."""
        return self._requests.is_holding

    @property
    def has_given_up(self) -> bool:
        """Whether nothing of what comes from the client is looked at any more."""
        return self._requests.has_given_up

    def from_client(self, data: bytes) -> bytes:
        """The bytes to pass on for those that came."""
        if self._requests.is_in_body:
            self._awaits_body = False
        passed = self._requests.feed(data)
        self._decide()
        return passed

    def from_server(self, data: bytes) -> None:
        """Overhear bytes of the server; they pass as they are."""
        if not self._outstanding and not self._responses.is_in_body:
            # It speaks unasked: this is no HTTP, or none that can be followed.
            self._give_up()
        self._responses.feed(data)
        self._decide()

    def release(self) -> bytes:
        """What was held back. From now on the client's bytes are not looked at."""
        self._requests.give_up()
        return self.from_client(b"")

    def _give_up(self) -> None:
        self._requests.give_up()
        self._responses.give_up()

    def _decide(self) -> None:
        if self.protocol is Protocol.UNDECIDED and self._requests.has_given_up:
            self.protocol = Protocol.OPAQUE

    def _take_request(self, raw: bytes) -> tuple[bytes, int]:
        if self._may_switch or len(self._outstanding) >= MAX_OUTSTANDING:
            raise RequestError
        head = parse_request_head(raw, MAX_FIELDS)
        length = request_length(head)
        self.protocol = Protocol.HTTP
        if head.method == "CONNECT":
            self._give_up()
            return raw, 0
        self._may_switch = b"upgrade" in head.last
        self._awaits_body = b"expect" in head.last and length != 0
        rewritten, mark = self._rewrite(head, raw)
        self._outstanding.append((head.method, mark))
        return rewritten, length

    def _take_response(self, raw: bytes) -> tuple[bytes, int]:
        head = parse_response_head(raw)
        if not self._outstanding:
            raise UpstreamMalformed
        if head.status < 200 and head.status != 101:
            self._awaits_body = False
            return raw, 0
        if self._awaits_body:
            self._requests.give_up()
        self._may_switch = False
        method, mark = self._outstanding.popleft()
        self._answered(mark, head)
        length = response_length(head, method)
        if length == UNTIL_CLOSE or head.status == 101:
            self._give_up()
            return raw, 0
        return raw, length


class _Reader:
    """One direction: finds the heads, and where the bodies between them end.

    ``take`` is given the bytes of each head, and returns those to pass on and the length of the
    body that follows; it raises :class:`SidecarError` for what it does not understand.
    ``may_begin`` says of a beginning whether it can become a head.
    """

    def __init__(
        self, take: Callable[[bytes], tuple[bytes, int]], may_begin: Callable[[bytes], bool]
    ) -> None:
        self._take = take
        self._may_begin = may_begin
        self._buffer = b""
        self._scanned = 0
        self._decoder: Decoder | None = None
        self.has_given_up = False

    @property
    def is_holding(self) -> bool:
        """Whether a part of a head is here that was not passed on."""
        return bool(self._buffer)

    @property
    def is_in_body(self) -> bool:
        """Whether the next byte belongs to a body."""
        return self._decoder is not None

    def give_up(self) -> None:
        """From now on pass everything as it is."""
        self.has_given_up = True
        self._decoder = None

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on for those that came."""
        passed: list[bytes] = []
        while data and not self.has_given_up:
            if self._decoder is not None:
                rest = self._skip_body(data)
                passed.append(data[: len(data) - len(rest)] if rest else data)
                data = rest
            else:
                data = self._read_head(data, passed)
        if self.has_given_up:
            passed += (self._buffer, data)
            self._buffer = b""
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def _skip_body(self, data: bytes) -> bytes:
        """What of the data comes after the body."""
        decoder = self._decoder
        assert decoder is not None
        try:
            decoder.feed(data)
            while decoder.is_busy:
                decoder.feed(b"")
        except SidecarError:
            self.give_up()
            return b""
        if decoder.rest is None:
            return b""
        self._decoder = None
        return decoder.rest

    def _read_head(self, data: bytes, passed: list[bytes]) -> bytes:
        """What of the data comes after the head, if that ends in it."""
        buffer = self._buffer + data if self._buffer else data
        if buffer.startswith(b"\r\n"):  # an empty line before a request (RFC 9112, section 2.2)
            self._buffer = b""
            passed.append(buffer[:2])
            return buffer[2:]
        self._buffer = buffer
        end = buffer.find(END_OF_HEAD, max(self._scanned - 3, 0))
        size = end + 4 if end >= 0 else len(buffer)
        seen = max(self._scanned - 1, 0)
        if size > MAX_HEAD_BYTES or not self._may_begin(buffer) or is_hopeless(buffer[:size], seen):
            self.give_up()
            return b""
        if end < 0:
            self._scanned = len(buffer)
            return b""
        self._buffer, self._scanned = b"", 0
        raw = buffer[:size]
        try:
            out, length = self._take(raw)
        except SidecarError:
            self.give_up()
            out, length = raw, 0
        passed.append(out)
        if length and not self.has_given_up:
            self._decoder = build_decoder(length)
        return buffer[size:]


def may_begin_request(data: bytes) -> bool:
    """Whether these first bytes can be those of an HTTP/1.x request (RFC 9112, section 3).

    Of the protocols whose clients speak first, nearly all say something else within a few bytes.
    """
    line, newline, _ = data.partition(b"\n")
    if newline:
        if not line.endswith(b"\r"):
            return False
        line = line[:-1]
    parts = line.split(b" ")
    if len(parts) > 3 or (newline and len(parts) < 3):
        return False
    method, target, version = (*parts, None, None)[:3]
    assert method is not None
    if method == b"\r" or not method:
        return not newline and len(parts) == 1
    if not _METHOD.fullmatch(method):
        return False
    if target and not _TARGET.fullmatch(target):
        return False
    if version is None:
        return True
    if newline:
        return bool(target) and version in _VERSIONS
    version = version.removesuffix(b"\r")
    return bool(target) and any(full.startswith(version) for full in _VERSIONS)


def _may_begin_response(data: bytes) -> bool:
    size = len(_STATUS_LINE_BEGINNING)
    return _STATUS_LINE_BEGINNING.startswith(data[:size])
