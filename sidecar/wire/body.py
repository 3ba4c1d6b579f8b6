"""Message bodies as bytes that arrive in pieces: decoders in, chunks out (RFC 9112, section 7).

A decoder is fed whatever came from the network and hands back the body's bytes; once it has seen
the end, ``rest`` holds what belongs to the next message. No I/O, no waiting.

Called by the connections on both sides, which put a decoder behind a ``net.stream.Stream``.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sidecar.errors import RequestError
from sidecar.wire.framing import CHUNKED, UNTIL_CLOSE
from sidecar.wire.head import END_OF_HEAD, Field, field_lines, is_hopeless, parse_trailer_section

# chunk-size [ chunk-ext ] CRLF (RFC 9112, section 7.1). An extension is checked and dropped; its
# quoted strings may hold anything printable.
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_CHUNK_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:[ \t]*+;[ \t]*+%b(?:[ \t]*+=[ \t]*+(?:%b|%b))?)*+"
    % (_TOKEN, _TOKEN, _QUOTED)
)
_MAX_CHUNK_LINE: Final = 1024
_MAX_TRAILER_BYTES: Final = 16384
_MAX_TRAILERS: Final = 100
# Chunks of one byte cost a microsecond each, and everybody else waits meanwhile.
_MAX_CHUNKS_IN_ONE_GO: Final = 4096

LAST_CHUNK: Final = b"0\r\n\r\n"

# Fields that change framing, routing, authentication, the request or the payload mean nothing after
# the body (RFC 9110, section 6.5.1).
_NEVER_TRAILERS: Final = frozenset(
    b"transfer-encoding content-length host trailer te connection keep-alive upgrade expect "
    b"proxy-connection authorization proxy-authorization proxy-authenticate www-authenticate "
    b"cookie set-cookie content-encoding content-type content-range cache-control pragma range "
    b"if-match if-none-match if-modified-since if-unmodified-since if-range max-forwards "
    b"forwarded via x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id".split()
)


class Decoder(Protocol):
    """Takes raw bytes, gives body bytes."""

    rest: bytes | None
    trailers: list[Field]
    is_busy: bool

    def feed(self, data: bytes) -> bytes:
        """Body bytes in ``data``; sets ``rest`` once the body has ended.

        ``is_busy`` afterwards: not all of the data was looked at, since that would take too long in
        one go; feed ``b""`` for more after others had their turn.
        """
        ...

    def end(self) -> bool:
        """Told that no more bytes will come; whether that completes the body."""
        ...


class LengthDecoder:
    """A body of a known number of bytes."""

    __slots__ = ("_left", "rest", "trailers")
    is_busy = False

    def __init__(self, length: int) -> None:
        self._left = length
        self.rest: bytes | None = None
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if size < self._left:
            self._left -= size
            return data
        left, self._left = self._left, 0
        self.rest = data[left:]
        return data if size == left else data[:left]

    def end(self) -> bool:
        return self._left == 0


class CloseDecoder:
    """A body that ends with its connection (responses only)."""

    __slots__ = ("rest", "trailers")
    is_busy = False

    def __init__(self) -> None:
        self.rest: bytes | None = None
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bool:
        self.rest = b""
        return True


class ChunkedDecoder:
    """A chunked body. Raises :class:`RequestError` where the coding is out of grammar."""

    __slots__ = ("_at", "_buffer", "_left", "_scanned", "_step", "is_busy", "rest", "trailers")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # of the buffer, what was read already; cut off once a feed, not once a chunk
        self._left = 0
        self._scanned = 0  # of the trailer section, what holds no end and nothing wrong
        self._step: Callable[[list[bytes]], bool] = self._read_line
        self.is_busy = False
        self.rest: bytes | None = None
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> bytes:
        self._buffer = self._buffer + data if self._buffer else data
        self.is_busy = False
        pieces: list[bytes] = []
        while self.rest is None and self._step(pieces):
            if len(pieces) >= _MAX_CHUNKS_IN_ONE_GO:
                self.is_busy = True
                break
        self._buffer = self._buffer[self._at :]
        self._at = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end(self) -> bool:
        return self.rest is not None

    def _read_line(self, _: list[bytes]) -> bool:
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\r\n", at, at + _MAX_CHUNK_LINE + 2)
        if end < 0:
            if len(buffer) - at > _MAX_CHUNK_LINE or is_hopeless(buffer, at):
                raise RequestError("A chunk size line breaks the grammar of RFC 9112, section 7.1.")
            return False
        match = _CHUNK_LINE.fullmatch(buffer, at, end)
        if match is None:
            raise RequestError("A chunk size line breaks the grammar of RFC 9112, section 7.1.")
        self._at = end + 2
        self._left = int(match[1], 16)
        self._step = self._read_data if self._left else self._read_trailers
        return True

    def _read_data(self, pieces: list[bytes]) -> bool:
        data = self._buffer[self._at : self._at + self._left]
        if not data:
            return False
        pieces.append(data)
        self._at += len(data)
        self._left -= len(data)
        if self._left:
            return False
        self._step = self._read_data_end
        return True

    def _read_data_end(self, _: list[bytes]) -> bool:
        end = self._buffer[self._at : self._at + 2]
        if end == b"\r\n":
            self._at += 2
            self._step = self._read_line
            return True
        if b"\r\n".startswith(end):
            return False
        raise RequestError("A chunk is longer than its size says.")

    def _read_trailers(self, _: list[bytes]) -> bool:
        buffer, at = self._buffer, self._at
        if buffer.startswith(b"\r\n", at):
            self.rest = buffer[at + 2 :]
            return False
        end = buffer.find(END_OF_HEAD, max(at, self._scanned - 3))
        size = (len(buffer) if end < 0 else end + 4) - at
        if size > _MAX_TRAILER_BYTES:
            raise RequestError("The trailer section is too large.")
        if end < 0:
            if is_hopeless(buffer, max(at, self._scanned - 1)):
                raise RequestError("A trailer field line breaks the grammar of RFC 9112.")
            self._scanned = len(buffer) - at
            return False
        self.trailers = parse_trailer_section(buffer[at : end + 4])
        if len(self.trailers) > _MAX_TRAILERS:
            raise RequestError("There are too many trailer fields.")
        self.rest = buffer[end + 4 :]
        return False


def build_decoder(length: int) -> Decoder:
    """The decoder for a length that ``wire.framing`` found."""
    if length == CHUNKED:
        return ChunkedDecoder()
    if length == UNTIL_CLOSE:
        return CloseDecoder()
    return LengthDecoder(length)


def chunk(data: bytes) -> bytes:
    """``data`` as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Sequence[Field] = ()) -> bytes:
    """The end of a chunked body, with those trailer fields that may stand there."""
    kept = [field for field in trailers if field[0] not in _NEVER_TRAILERS]
    return b"0\r\n" + field_lines(kept) + b"\r\n" if kept else LAST_CHUNK
