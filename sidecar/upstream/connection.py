"""One connection to the application: bytes out, response heads and bodies in.

Strict towards the application as towards clients: an answer that breaks HTTP, or bytes that nobody
asked for, end the connection and never reach a client as something else. Decides nothing about
reuse beyond saying whether it could be (``upstream.pool`` decides), retries nothing.

Made by ``upstream.client``; driven by ``proxy.pipeline``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, cast

from sidecar.errors import (
    RequestError,
    SidecarError,
    UpstreamBrokeOff,
    UpstreamMalformed,
    UpstreamTimeout,
)
from sidecar.net.flow import NEVER, Flow
from sidecar.net.stream import Stream, empty_stream
from sidecar.wire.body import Decoder, build_decoder
from sidecar.wire.framing import UNTIL_CLOSE, response_length
from sidecar.wire.head import END_OF_HEAD, ResponseHead, is_hopeless, parse_response_head
from sidecar.wire.headers import wants_keep_alive

MAX_HEAD_BYTES: Final = 64 * 1024
#: Interim answers to one request; more is an application gone wild.
MAX_INTERIM: Final = 32


class State(Enum):
    """What the connection expects next from the application."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    TUNNEL = "tunnel"
    CLOSED = "closed"


class UpstreamConnection(Flow):
    """One request at a time, then idle, until either side closes.

    ``was_used`` says that an earlier request went over it; ``has_answered`` that at least a byte of
    the current answer came.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, on_lost: Callable[["UpstreamConnection"], None]
    ) -> None:
        super().__init__(loop, stall_s=0)
        self._on_lost = on_lost
        self.state = State.IDLE
        self.was_used = False
        self.has_answered = False
        self.is_reusable = False
        self.idle_since = 0.0
        self.response_deadline = NEVER
        self.body: Stream = empty_stream()
        self._method = "GET"
        self._buffer = b""
        self._scanned = 0
        self._heads: deque[ResponseHead] = deque()
        self._interim_count = 0
        self._head_waiter: asyncio.Future[ResponseHead] | None = None
        self._error: SidecarError | None = None
        self._decoder: Decoder | None = None
        self._keeps_alive = False

    def __repr__(self) -> str:
        return f"<UpstreamConnection {self.state.value}{' reused' if self.was_used else ''}>"

    @property
    def was_stale(self) -> bool:
        """Whether an earlier request went over it and of this answer nothing came: if it broke off,
        it was probably closed before the request was sent."""
        return self.was_used and not self.has_answered

    # --- the pipeline's side ---

    def send(self, head: bytes, method: str, deadline: float) -> None:
        """Send a request head, and what of the body is at hand; the answer is awaited until
        ``deadline`` (loop time, seconds)."""
        self._method = method
        self.state = State.HEAD
        self.has_answered = self.is_reusable = False
        self._interim_count = 0
        self.response_deadline = deadline
        self.write(head)

    def postpone(self, deadline: float) -> None:
        """The request is still being sent: its answer is awaited until a later ``deadline``."""
        if self.state is State.HEAD:
            self.response_deadline = deadline

    def next_head(self) -> asyncio.Future[ResponseHead]:
        """The next response head, to be awaited by one task: interim ones (1xx) first, then the
        final one. Who awaits it gets the :class:`SidecarError` that keeps it from coming.
        """
        waiter = self._head_waiter = self.loop.create_future()
        if self._heads:
            waiter.set_result(self._heads.popleft())
        elif self._error is not None:
            waiter.set_exception(self._error)
        return waiter

    def fail(self, error: SidecarError) -> None:
        """End the exchange with ``error``, and the connection with it."""
        if self.state is State.CLOSED:
            return
        in_body = self.state is State.BODY
        self.state = State.CLOSED
        self.is_reusable = False
        self.response_deadline = NEVER
        self._decoder = None
        self._error = error
        self.give_up_writing(error)
        if in_body:
            self.body.fail(error)
        if self._head_waiter is not None and not self._head_waiter.done():
            self._head_waiter.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    def end(self) -> None:
        """Close the connection; at once if an exchange is under way, which cancels it."""
        self.is_reusable = False
        if self.transport is None:
            return
        if self.state in (State.HEAD, State.BODY):
            self.transport.abort()
        else:
            self.close()

    def take_early_bytes(self) -> bytes:
        """After a 101: what of the new protocol came together with the head."""
        early, self._buffer = self._buffer, b""
        return early

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do the same.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.state is State.HEAD:
            self.has_answered = True
            self._buffer = self._buffer + data if self._buffer else data
            try:
                self._read_heads()
            except SidecarError as error:
                self.fail(error)
        elif self.state is State.BODY:
            self._feed(data)
        elif self.state is State.TUNNEL:
            if self.tunnel is None:
                self._buffer += data
            else:
                self.tunnel.carry(self, data)
        elif self.state is State.IDLE:
            # Bytes that no request asked for would become the answer to somebody's next one.
            self.fail(UpstreamMalformed("The application sent more than its answer."))

    def eof_received(self) -> bool:
        self.has_ended = True
        self._feed_all()
        if self.state is State.TUNNEL:
            return self.tunnel is None or self.tunnel.half_close(self)
        if self.state is State.BODY and self._decoder is not None and self._decoder.end():
            self._end_body()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.hear_out(exc)
        self._feed_all()
        self.transport = None
        if self.tunnel is not None:
            self.tunnel.lose(self)
        self.fail(UpstreamBrokeOff("The application closed the connection too early."))
        self._on_lost(self)

    def resume_reading(self) -> None:
        """Take bytes again, unless those that came are still being decoded, turn by turn."""
        if self._decoder is None or not self._decoder.is_busy:
            super().resume_reading()

    # --- reading ---

    def _read_heads(self) -> None:
        while self.state is State.HEAD:
            end = self._buffer.find(END_OF_HEAD, max(self._scanned - 3, 0))
            if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
                raise UpstreamMalformed("The application's response head is too large.")
            if end < 0:
                if is_hopeless(self._buffer, max(self._scanned - 1, 0)):
                    raise UpstreamMalformed("The application's response head is out of grammar.")
                self._scanned = len(self._buffer)
                return
            self._scanned = 0
            head = parse_response_head(self._buffer[: end + 4])
            rest = self._buffer[end + 4 :]
            self._buffer = b""
            if head.status < 200 or head.status == 204:
                head = head.without(b"content-length")  # it means nothing (RFC 9110, section 8.6)
            if head.status == 101:
                self._buffer = rest
                self.state = State.TUNNEL
                self.response_deadline = NEVER
            elif head.status < 200:
                self._buffer = rest
                self._interim_count += 1
                if self._interim_count > MAX_INTERIM:
                    raise UpstreamMalformed("The application sends interim answers without end.")
            else:
                self._begin_body(head, rest)
            self._hand_over(head)
            if not self._buffer:
                return

    def _begin_body(self, head: ResponseHead, rest: bytes) -> None:
        length = response_length(head, self._method)
        self.response_deadline = NEVER
        self._keeps_alive = length != UNTIL_CLOSE and wants_keep_alive(head)
        self.body = Stream(self.pause_reading, self.resume_reading)
        self.state = State.BODY
        if length == len(rest):  # nearly always: the whole body came with the head
            self.body.feed(rest)
            self._end_body()
            return
        self._decoder = build_decoder(length)
        if rest or length == 0:
            self._feed(rest)

    def _feed(self, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        try:
            self.body.feed(decoder.feed(data))
        except RequestError:
            self.fail(UpstreamMalformed("The application's chunked body is out of grammar."))
            return
        if decoder.rest is not None:
            if decoder.rest:
                # More than the answer: it must never be read as the next one.
                self._keeps_alive = False
            self._end_body()
        elif decoder.is_busy:
            self.pause_reading()
            self.loop.call_soon(self._feed_more)

    def _feed_more(self) -> None:
        """Go on with what the decoder has, now that others had their turn."""
        if self._decoder is not None and self._decoder.is_busy:
            self._feed(b"")
        if not self.body.is_full:
            self.resume_reading()

    def _feed_all(self) -> None:
        """The connection ends: nothing of what came may wait."""
        while self._decoder is not None and self._decoder.is_busy:
            self._feed(b"")

    def _end_body(self) -> None:
        decoder, self._decoder = self._decoder, None
        self.state = State.IDLE
        self.was_used = True
        self.is_reusable = self._keeps_alive
        # A body that nobody took in time has stopped the reading; nothing more of it can come, and
        # the next answer, or the end, must be noticed.
        self.resume_reading()
        self.body.end(decoder.trailers if decoder is not None else None)
        if not self.is_reusable:
            self.close()

    def _hand_over(self, head: ResponseHead) -> None:
        waiter = self._head_waiter
        if waiter is None or waiter.done():
            self._heads.append(head)
        else:
            waiter.set_result(head)

    def check_deadline(self, now: float) -> None:
        """Give up an answer that is overdue; ``now`` is loop time in seconds."""
        if now >= self.response_deadline:
            self.fail(UpstreamTimeout("The application did not answer in time."))
