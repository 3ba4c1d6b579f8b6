"""Who is at the other end of a connection.

Used by ``proxy.connection`` for the forwarding fields and by ``admin.routes`` for what only this
machine may ask.
"""

import asyncio
import ipaddress
import socket
import struct
from contextlib import suppress
from typing import Final

_LINGER_NOT: Final = struct.pack("ii", 1, 0)


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


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the coming close a reset (SO_LINGER of 0 s).

    A body that is delimited by the connection's end would look complete after an orderly close.
    """
    name = transport.get_extra_info("socket")
    if name is not None:
        with suppress(OSError):
            name.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


def is_loopback(address: str) -> bool:
    """Whether an address text is of this machine's loopback."""
    try:
        return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False
