"""Looks host names up so that one that hangs delays no other.

The event loop's own look-ups share a few threads, which a handful of names that nobody answers for
would keep busy for minutes. Here each name has a thread of its own while it is looked up, and at
most one. Used by ``net.fetch`` and ``fleet.direct``.
"""

import socket
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from sidecar.net.aside import Aside

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """The system's names."""

    def __init__(self) -> None:
        self._aside = Aside()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises OSError where there is none."""
        found = await self._aside.call(_look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=_NUMERIC,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept that would have to be closed."""


def _look_up(host: str, port: int, family: int) -> list[Any]:
    try:
        return socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except UnicodeError:  # not a name at all is a name without an address
        raise OSError("no such name") from None
