"""A client's connection: finds requests in its bytes and runs them one after another.

Enforces what concerns the connection itself: head size, time-outs, back-pressure, lingering at the
end. What a request means is the pipeline's business. Requests on one connection are served strictly
in order (RFC 9112, section 9.3.2); what comes ahead waits, unparsed.

Made by ``proxy.server`` for each accepted connection.
"""

import asyncio
import logging
import time
from typing import Final, Protocol, cast

from sidecar.errors import (
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    HeadersTooLarge,
    HeaderTimeout,
    RequestError,
)
from sidecar.net.flow import NEVER, Flow
from sidecar.net.peer import peer_address, reset_on_close
from sidecar.net.stream import HIGH_WATER_BYTES, Stream
from sidecar.proxy.exchange import MAX_DISCARDED_BYTES, Exchange
from sidecar.proxy.pipeline import Pipeline
from sidecar.proxy.settings import LimitSettings, TimeoutSettings
from sidecar.wire.body import Decoder, build_decoder
from sidecar.wire.head import END_OF_HEAD, is_hopeless

log = logging.getLogger("sidecar.proxy")

#: After our last answer, how long a client may go on sending before the connection is cut. Closing
#: at once would make its kernel drop the answer unread (RFC 9112, section 9.6).
LINGER_S: Final = 2.0


class Reception(Protocol):
    """What takes connections in: ``proxy.server``, as they see it."""

    loop: asyncio.AbstractEventLoop
    limits: LimitSettings
    timeouts: TimeoutSettings
    tasks: asyncio.TaskGroup
    pipeline: Pipeline
    is_draining: bool

    def welcome(self, connection: "ClientConnection") -> bool: ...
    def farewell(self, connection: "ClientConnection") -> None: ...


class ClientConnection(Flow):
    """One client, one request at a time."""

    def __init__(self, server: Reception) -> None:
        super().__init__(server.loop, stall_s=server.timeouts.body_idle_s)
        self._server = server
        self.peer = b""
        self.exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._buffer = b""
        self._scanned = 0
        self._has_skipped = False
        self._waiter: asyncio.Future[None] | None = None
        self._read_deadline = NEVER
        self._read_error: RequestError | None = None
        self._decoder: Decoder | None = None
        self._body: Stream | None = None
        self._max_body_bytes = NEVER
        self._is_discarding = False
        self._lingers = False
        self.is_awaiting_upstream = False

    def __repr__(self) -> str:
        return f"<ClientConnection {self.peer.decode('latin-1')} {self.exchange or 'idle'!r}>"

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do the same.
        self.transport = cast(asyncio.Transport, transport)
        self.peer = peer_address(transport)
        if self._server.welcome(self):
            self._read_deadline = self._deadline(self._server.timeouts.idle_s)
            self._task = self._server.tasks.create_task(self._serve())
        else:
            self._is_discarding = True

    def data_received(self, data: bytes) -> None:
        if self._decoder is not None:
            self._feed_body(data)
        elif self.tunnel is not None:
            self.tunnel.carry(self, data)
        elif not self._is_discarding:
            self._buffer = self._buffer + data if self._buffer else data
            if self._waiter is not None:
                self._wake()
            elif len(self._buffer) >= HIGH_WATER_BYTES:
                self.pause_reading()

    def eof_received(self) -> bool:
        if self.tunnel is not None:
            return self.tunnel.half_close(self)
        self.has_ended = True
        if self._body is not None:
            self._body.fail(ClientGone())
        if self._is_discarding or self._task is None:
            return False
        if self.is_awaiting_upstream or self._decoder is not None:
            # Nobody can tell a client that only stopped sending from one that is gone. While the
            # application works, it is taken for gone, as by other proxies: work is cancelled.
            self._task.cancel()
            return False
        self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.has_ended = True
        self.give_up_writing(ClientGone())
        if self._body is not None:
            self._body.fail(ClientGone())
        if self.tunnel is not None:
            self.tunnel.lose(self)
        elif self._task is not None:
            self._task.cancel()
        self._server.farewell(self)

    @property
    def is_draining(self) -> bool:
        """Whether this connection is to end with its current answer."""
        return self._server.is_draining

    # --- requests, one after another ---

    async def _serve(self) -> None:
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
        error: RequestError | None = None
        raw: bytes | None = b""
        try:
            raw = await self._next_head()
        except RequestError as caught:
            error = caught
        if raw is None:
            return False
        self.exchange = exchange = Exchange(self, raw, error, time.monotonic())
        try:
            await self._server.pipeline.serve(exchange)
            if self._decoder is not None and exchange.keep_alive:
                exchange.keep_alive = await self._discard_body()
            if self.is_stalled:
                await self.drain()  # a client that asks and never reads must not fill our memory
            if self._buffer:
                await asyncio.sleep(0)  # nor keep the event loop to itself
        except ClientGone:
            return False
        finally:
            self.exchange = None
        self._lingers = exchange.wanted_keep_alive or exchange.has_unread_body
        return exchange.keep_alive and not self._is_discarding and self.transport is not None

    async def _next_head(self) -> bytes | None:
        """The bytes of the next request head; ``None`` when the client sends no more.

        Raises :class:`RequestError` for what can never become one, or takes too long.
        """
        timeouts = self._server.timeouts
        is_begun = False
        while True:
            end = self._find_head() if self._buffer else -1
            if end >= 0:
                self._read_deadline = NEVER
                raw, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
                self._scanned = 0
                self._has_skipped = False
                return raw
            if self.has_ended:
                return None
            if self._read_error is not None:
                raise self._read_error
            if self._buffer and not is_begun:
                is_begun = True
                self._read_deadline = self._deadline(timeouts.header_s)
            elif not self._buffer:
                self._read_deadline = self._deadline(timeouts.idle_s)
            self.resume_reading()
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _find_head(self) -> int:
        """Where the head in the buffer ends, or -1; looks at each byte once."""
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            # An empty line before a request line is skipped (RFC 9112, section 2.2); one.
            if self._has_skipped:
                raise RequestError("There are empty lines instead of a request.")
            self._has_skipped = True
            self._buffer = buffer = buffer[2:]
            return self._find_head()
        end = buffer.find(END_OF_HEAD, max(self._scanned - 3, 0))
        limit = self._server.limits.header_bytes
        if end + 4 > limit or (end < 0 and len(buffer) >= limit):
            raise HeadersTooLarge(f"The request head is larger than {limit} bytes.")
        if end < 0:
            if is_hopeless(buffer, max(self._scanned - 1, 0)):
                raise RequestError("A line of the request head does not end in CRLF.")
            self._scanned = len(buffer)
        return end

    # --- the request body ---

    def begin_body(self, length: int, max_bytes: int, *, awaits_us: bool) -> Stream:
        """The body that follows the head just read; ``max_bytes`` 0 = any.

        ``awaits_us``: the client may hold it back until it is asked, and no clock runs till then.
        """
        body = Stream(self._pause_body, self._resume_body)
        self._body = body
        if length > max_bytes > 0:
            self._stop_body(BodyTooLarge(f"The body is larger than {max_bytes} bytes."))
            return body
        self._max_body_bytes = max_bytes or NEVER
        self._decoder = build_decoder(length)
        if not awaits_us:
            self.await_body()
        data, self._buffer = self._buffer, b""
        if data:
            self._feed_body(data)
        self.resume_reading()
        return body

    def await_body(self) -> None:
        """From now on the client is held to the pace of ``timeouts.body_idle``."""
        if self._decoder is not None:
            self._read_deadline = self._deadline(self._server.timeouts.body_idle_s)

    def _feed_body(self, data: bytes) -> None:
        decoder, body = self._decoder, self._body
        assert decoder is not None
        assert body is not None
        try:
            piece = decoder.feed(data)
        except RequestError as error:
            self._stop_body(error)
            return
        if body.total_bytes + len(piece) > self._max_body_bytes:
            self._stop_body(BodyTooLarge("The body is larger than the configuration allows."))
            return
        if decoder.rest is None:
            self._read_deadline = self._deadline(self._server.timeouts.body_idle_s)
            body.feed(piece)
            return
        self._read_deadline = NEVER
        self._buffer = decoder.rest
        self._decoder = self._body = None
        body.feed(piece)
        body.end(decoder.trailers)

    def _stop_body(self, error: RequestError) -> None:
        """The body cannot be used: whatever else comes is thrown away."""
        body, self._body, self._decoder = self._body, None, None
        self._is_discarding = True
        self._read_deadline = NEVER
        if body is not None:
            body.fail(error)
        self.resume_reading()

    async def _discard_body(self) -> bool:
        """Read and drop what is left of a small body; whether that worked in time."""
        body = self._body
        if body is None:
            return True
        try:
            async with asyncio.timeout(LINGER_S):
                while await body.read():
                    if body.total_bytes > MAX_DISCARDED_BYTES:
                        return False
        except (TimeoutError, RequestError, ClientGone):
            return False
        return True

    def _pause_body(self) -> None:
        self._read_deadline = NEVER
        self.pause_reading()

    def _resume_body(self) -> None:
        self.await_body()
        self.resume_reading()

    # --- tunnels, time-outs, the end ---

    def as_flow(self) -> Flow:
        """This connection as one end of a tunnel."""
        return self

    def take_early_bytes(self) -> bytes:
        """Before a tunnel begins: what the client sent ahead of the answer."""
        early, self._buffer = self._buffer, b""
        self._read_deadline = NEVER
        return early

    def check_deadlines(self, now: float) -> None:
        """Give up what is overdue; ``now`` is loop time in seconds."""
        if self.is_write_overdue(now):
            self.abort()
        if now < self._read_deadline:
            return
        self._read_deadline = NEVER
        if self._decoder is not None:
            self._stop_body(BodyTimeout("No byte of the request body came for too long."))
        elif self._waiter is not None and self._buffer:
            self._read_error = HeaderTimeout("The request head did not arrive in time.")
            self._wake()
        elif self._waiter is not None:
            self.has_ended = True
            self._wake()
        else:
            self.abort()

    def close_if_idle(self) -> None:
        """Close a connection that waits for its next request."""
        if self.exchange is None and not self._buffer and self._waiter is not None:
            self.has_ended = True
            self._wake()

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
        if lingers and not self.has_ended and transport.can_write_eof():
            self._is_discarding = True
            self._decoder = None
            self._read_deadline = self._deadline(LINGER_S)
            self.resume_reading()
            transport.write_eof()
        else:
            # Whoever does not read the last answer is not waited for without end.
            self._read_deadline = self._deadline(self._server.timeouts.body_idle_s or LINGER_S)
            transport.close()

    def _deadline(self, timeout_s: float) -> float:
        return self.loop.time() + timeout_s if timeout_s else NEVER

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
