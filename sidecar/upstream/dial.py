"""Connects to the first of several addresses that accepts.

Used by ``upstream.client`` and by ``proxy.opaque`` and ``proxy.outbound``.
"""

import asyncio
from collections.abc import Sequence

from sidecar.errors import UpstreamRefused, UpstreamTimeout
from sidecar.net.flow import Flow
from sidecar.setting import Address


async def dial(
    flow: Flow, addresses: Sequence[Address], timeout_s: float, *, who: str = "The application"
) -> None:
    """Connect ``flow`` to the first of these addresses that accepts; a ``timeout_s`` of 0 waits
    for as long as the kernel does. ``who`` it is that is called begins the errors' sentences.

    Raises :class:`UpstreamRefused` or :class:`UpstreamTimeout`.
    """
    try:
        async with asyncio.timeout(timeout_s or None):
            for address in addresses:
                if await _is_accepted(flow, address):
                    return
    except TimeoutError:
        raise UpstreamTimeout(
            f"{who} did not accept a connection within {timeout_s:g} s."
        ) from None
    raise UpstreamRefused(f"{who} does not accept connections.")


async def _is_accepted(flow: Flow, address: Address) -> bool:
    try:
        if address.is_unix:
            await flow.loop.create_unix_connection(lambda: flow, address.path)
        else:
            await flow.loop.create_connection(lambda: flow, address.host, address.port)
    except TimeoutError:
        raise
    except OSError:
        return False
    return True
