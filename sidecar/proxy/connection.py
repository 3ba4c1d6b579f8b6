"""A client's connection: its requests run one after another, and its end.

Requests on one connection are served strictly in order (RFC 9112, section 9.3.2); what comes ahead
waits, unparsed. What a request means is the pipeline's business, how it is cut out of the bytes
``proxy.intake``'s.

Made by ``proxy.server`` for each accepted connection.
"""

import asyncio
import logging
import time
from typing import Protocol, cast

from sidecar.errors import ClientGone, RequestError
from sidecar.net.flow import Flow
from sidecar.net.peer import find_when_gone, peer_address, reset_on_close
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.intake import LINGER_S, Intake
from sidecar.proxy.pipeline import Pipeline
from sidecar.proxy.settings import LimitSettings, TimeoutSettings
from sidecar.setting import Address

log = logging.getLogger("sidecar.proxy")


class Reception(Protocol):
    """What takes connections in: ``proxy.server``, as they see it."""

    loop: asyncio.AbstractEventLoop
    limits: LimitSettings
    timeouts: TimeoutSettings
    tasks: asyncio.TaskGroup
    pipeline: Pipeline
    is_draining: bool

    def welcome(self, connection: "Guest") -> bool: ...
    def farewell(self, connection: "Guest") -> None: ...


class Guest(Protocol):
    """A connection, as ``proxy.server`` sees it."""

    def check_deadlines(self, now: float, /) -> None: ...
    def end_if_idle(self) -> None: ...
    def refuse(self, answer: bytes, /) -> None: ...
    def abort(self) -> None: ...


class ClientConnection(Intake):
    """One client, one request at a time."""

    def __init__(self, server: Reception) -> None:
        super().__init__(server.loop, server.limits, server.timeouts)
        self._server = server
        self.peer = b""  # set before the connection is made where a load balancer says it
        self.destination: Address | None = None  # where it was going before it was redirected
        self.exchange: Exchange | None = None
        self.is_awaiting_upstream = False
        self._task: asyncio.Task[None] | None = None
        self._lingers = False

    def __repr__(self) -> str:
        return f"<ClientConnection {self.peer.decode('latin-1')} {self.exchange or 'idle'!r}>"

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do the same.
        self.transport = cast(asyncio.Transport, transport)
        self.peer = self.peer or peer_address(transport)
        if not self.peer:
            self.abort()  # what it asked for would be done in nobody's name
        elif self._server.welcome(self):
            self._task = self._server.tasks.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.carry(self, data)
        else:
            self.take_in(data)

    def eof_received(self) -> bool:
        if self.tunnel is not None:
            return self.tunnel.half_close(self)
        self.lose_client()
        if self.is_discarding or self._task is None:
            return False
        if self.is_awaiting_upstream or self.is_receiving_body:
            # Nobody can tell a client that only stopped sending from one that is gone. While the
            # application works, it is taken for gone, as by other proxies: work is cancelled.
            self._task.cancel()
            return False
        self.wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.give_up_writing(ClientGone())
        self.lose_client()
        if self.tunnel is not None:
            self.tunnel.lose(self)
        elif self._task is not None:
            self._task.cancel()
        self._server.farewell(self)

    # --- requests, one after another ---

    async def _serve(self) -> None:
        if self.transport is not None:
            find_when_gone(self.transport)  # nothing else ends a tunnel in which nobody speaks
        try:
            while await self._serve_one():
                pass
        except Exception:
            # A fault here must cost one connection, never the task group that holds them all.
            log.exception("A fault of the proxy itself ended a connection.")
            self.abort()
        finally:
            self._close(lingers=self._lingers)

    async def _serve_one(self) -> bool:
        """Serve the next request; whether another may follow."""
        error: RequestError | None = None
        raw: bytes | None = b""
        try:
            raw = await self.next_head()
        except RequestError as caught:
            error = caught
        if raw is None:
            return False
        self.exchange = exchange = Exchange(self, raw, error, time.monotonic())
        try:
            await self._server.pipeline.serve(exchange)
            if exchange.keep_alive and self.is_receiving_body:
                exchange.keep_alive = await self.discard_body()
            if self.is_stalled:
                await self.drain()  # a client that asks and never reads must not fill our memory
            if self._buffer:
                await asyncio.sleep(0)  # nor keep the event loop to itself
        except ClientGone:
            return False
        finally:
            self.exchange = None
        self._lingers = exchange.wanted_keep_alive or exchange.has_unread_body
        return exchange.keep_alive and not self.is_discarding and self.transport is not None

    # --- what the stages ask ---

    @property
    def is_draining(self) -> bool:
        """Whether this connection is to end with its current answer."""
        return self._server.is_draining

    def as_flow(self) -> Flow:
        """This connection as one end of a tunnel."""
        return self

    # --- the end ---

    def check_deadlines(self, now: float) -> None:
        """Give up what is overdue; ``now`` is loop time in seconds."""
        if self.is_write_overdue(now) or self.give_up_reading(now):
            self.abort()

    def refuse(self, answer: bytes) -> None:
        """Send a finished answer to a connection that gets no service, and end it."""
        self.write(answer)
        self._close(lingers=True)

    def abort(self) -> None:
        """Cut the connection: the peer sees a reset, never a complete answer."""
        if self.transport is not None:
            reset_on_close(self.transport)
            self.transport.abort()

    def _close(self, *, lingers: bool) -> None:
        """End the connection, after what is written; ``lingers`` keeps reading for a moment."""
        self._task = None
        transport = self.transport
        if transport is None or transport.is_closing() or self.tunnel is not None:
            return
        if lingers and not self.has_ended and self.end_writing():
            self.expect_end(LINGER_S)
        else:
            # Whoever does not read the last answer is not waited for without end.
            self.expect_end(self._timeouts.body_idle_s or LINGER_S)
            self.close()
