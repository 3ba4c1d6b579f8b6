"""Connects to the first of several addresses that accepts.

Used by ``upstream.client`` and by ``proxy.opaque`` and ``proxy.outbound``.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence

from sidecar.errors import UpstreamRefused, UpstreamTimeout
from sidecar.net.flow import Flow
from sidecar.setting import Address

NoteOwnEnd = Callable[[Address], None]


async def dial(
    flow: Flow,
    addresses: Sequence[Address],
    timeout_s: float,
    *,
    who: str = "The application",
    note_own_end: NoteOwnEnd | None = None,
) -> None:
    """Connect ``flow`` to the first of these addresses that accepts; a ``timeout_s`` of 0 waits
    for as long as the kernel does. ``who`` it is that is called begins the errors' sentences.

    With ``note_own_end``, the addresses are IP addresses, and it is told the address of our own
    end of each connection before anybody can have accepted it.

    Raises :class:`UpstreamRefused` or :class:`UpstreamTimeout`.
    """
    try:
        async with asyncio.timeout(timeout_s or None):
            for address in addresses:
                if await _is_accepted(flow, address, note_own_end):
                    return
    except TimeoutError:
        raise UpstreamTimeout(
            f"{who} did not accept a connection within {timeout_s:g} s."
        ) from None
    raise UpstreamRefused(f"{who} does not accept connections.")


async def _is_accepted(flow: Flow, address: Address, note_own_end: NoteOwnEnd | None) -> bool:
    loop = flow.loop
    try:
        if address.is_unix:
            await loop.create_unix_connection(lambda: flow, address.path)
        elif note_own_end is None:
            await loop.create_connection(lambda: flow, address.host, address.port)
        else:
            connected = await _connect(loop, address, note_own_end)
            await loop.create_connection(lambda: flow, sock=connected)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True


async def _connect(
    loop: asyncio.AbstractEventLoop, address: Address, note_own_end: NoteOwnEnd
) -> socket.socket:
    """A socket that is connected to an IP address. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        place = (address.host, address.port)
        try:
            sock.connect(place)
            is_connected = True
        except BlockingIOError:
            is_connected = False
        host, port, *_ = sock.getsockname()
        note_own_end(Address(host, port))
        if not is_connected:
            await loop.sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
