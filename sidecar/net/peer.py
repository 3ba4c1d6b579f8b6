"""Who is at the other end of a connection, how it is let go, and what it said before it went.

Used by connections.
"""

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

#: Of what a peer said last, more is not passed on.
MAX_UNREAD_BYTES: Final = 256 * 1024

_LINGER_NOT: Final = struct.pack("ii", 1, 0)

# Found dead after some five minutes of silence and as many questions.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 180),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 30),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 4),
)


def peer_address(transport: asyncio.BaseTransport) -> bytes:
    """The peer's IP address as text; ``unix`` for a unix socket; empty where the peer has reset the
    connection already, and nobody knows any more who it was.

    An IPv4 address that came through an IPv6 socket (RFC 4291, section 2.5.5.2) is written as IPv4.
    """
    name = transport.get_extra_info("peername")
    if name is None:
        return b""
    if not isinstance(name, tuple) or not name:
        return b"unix"
    host = str(name[0])
    if host.startswith("::ffff:"):
        host = host.removeprefix("::ffff:")
    return host.partition("%")[0].encode("ascii", "replace")


def find_when_gone(transport: asyncio.BaseTransport) -> None:
    """Have the kernel ask a peer that is silent for long whether it is still there."""
    _set(transport, _KEEPALIVE)


def keep_urgent(transport: asyncio.BaseTransport) -> None:
    """Leave a byte that is sent as urgent (RFC 9293, section 3.8.5) in its place among the others.

    The event loop does not ask for it elsewhere, and it would be lost.
    """
    _set(transport, ((socket.SOL_SOCKET, socket.SO_OOBINLINE, 1),))


def _set(transport: asyncio.BaseTransport, options: Iterable[tuple[int, int, int]]) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        for level, option, value in options:
            with suppress(OSError):
                connection.setsockopt(level, option, value)


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the coming close a reset (SO_LINGER of 0 s).

    A body that is delimited by the connection's end would look complete after an orderly close.
    """
    name = transport.get_extra_info("socket")
    if name is not None:
        with suppress(OSError):
            name.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


def unread_bytes(transport: asyncio.BaseTransport) -> bytes:
    """What the peer of a broken connection said, and nobody has read; asked while the connection is
    being lost.

    Where a write fails, the event loop gives the connection up without reading any more. What the
    peer said before it went is often the reason: an answer to a request that is too large, say.
    """
    name = transport.get_extra_info("socket")
    pieces: list[bytes] = []
    if name is not None:
        with suppress(OSError), name.dup() as kept:
            left = MAX_UNREAD_BYTES
            while left and (piece := kept.recv(left, socket.MSG_DONTWAIT)):
                pieces.append(piece)
                left -= len(piece)
    return b"".join(pieces)
