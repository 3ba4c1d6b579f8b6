"""A client and an application that cost next to nothing, for tests at full speed.

They read only what a sidecar's answers and requests look like here, and share one event loop.
"""

import asyncio
from typing import cast

from tests.functional.application import OK

Answer = tuple[int, bytes]


class _FastProtocol(asyncio.Protocol):
    def __init__(self, application: "FastApplication") -> None:
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._application.remember(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self._application.forget(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *heads, self._buffer = self._buffer.split(b"\r\n\r\n")
        self._application.request_count += len(heads)
        assert self._transport is not None
        self._transport.write(OK * len(heads))


class FastApplication:
    """Answers requests without bodies, and counts them."""

    def __init__(self) -> None:
        self.request_count = 0
        self._transports: set[asyncio.Transport] = set()
        self._is_quiet = asyncio.Event()
        self._server: asyncio.Server | None = None

    def remember(self, transport: asyncio.Transport) -> None:
        """A connection has come."""
        self._transports.add(transport)
        self._is_quiet.clear()

    def forget(self, transport: asyncio.Transport) -> None:
        """A connection has ended."""
        self._transports.discard(transport)
        if not self._transports:
            self._is_quiet.set()

    async def listen(self, path: str) -> None:
        """Accept connections on a unix socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _FastProtocol(self), path)

    async def close(self) -> None:
        """End everything, and wait until it has ended."""
        assert self._server is not None
        self._server.close()
        for transport in self._transports:
            transport.abort()
        if self._transports:
            await self._is_quiet.wait()


class FastClient(asyncio.Protocol):
    """One connection; one request at a time. An end of the connection is an error."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiter: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def exchange(self, request: bytes) -> Answer:
        """The status and the body of the answer."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        assert self._transport is not None
        self._waiter = None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = int(head.partition(b"\r\nContent-Length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        waiter, self._waiter = self._waiter, None
        self._buffer = b""
        assert waiter is not None, "an answer that nobody asked for"
        assert len(body) == length, "more than an answer"
        waiter.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError("the sidecar closed the connection"))
