"""The receiving half of a client's connection: heads and bodies out of its bytes.

Knows where a request begins and ends, holds the client to its limits and time-outs, and keeps what
it sends ahead from filling our memory. What a request means, and what is answered, is for others.

The base of ``proxy.connection``.
"""

import asyncio
from typing import Final

from sidecar.errors import (
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    HeadersTooLarge,
    HeaderTimeout,
    RequestError,
)
from sidecar.net.flow import NEVER, Flow
from sidecar.net.stream import HIGH_WATER_BYTES, Stream
from sidecar.proxy.exchange import MAX_DISCARDED_BYTES
from sidecar.proxy.settings import LimitSettings, TimeoutSettings
from sidecar.wire.body import Decoder, build_decoder
from sidecar.wire.head import END_OF_HEAD, is_hopeless

#: After our last answer, how long a client may go on sending before the connection is cut. Closing
#: at once would make its kernel drop the answer unread (RFC 9112, section 9.6).
LINGER_S: Final = 2.0


class Intake(Flow):
    """Bytes from one client, requests out of them one after another.

    ``is_discarding``: whatever else comes is thrown away.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: LimitSettings, timeouts: TimeoutSettings
    ) -> None:
        super().__init__(loop, stall_s=timeouts.body_idle_s)
        self.is_discarding = False
        self._limits = limits
        self._timeouts = timeouts
        self._buffer = b""
        self._scanned = 0
        self._has_skipped = False
        self._waiter: asyncio.Future[None] | None = None
        self._read_deadline = NEVER
        self._read_error: RequestError | None = None
        self._decoder: Decoder | None = None
        self._body: Stream | None = None
        self._max_body_bytes = NEVER

    @property
    def is_receiving_body(self) -> bool:
        """Whether a request body is under way."""
        return self._decoder is not None

    def take_in(self, data: bytes) -> None:
        """Bytes came."""
        if self._decoder is not None:
            self._feed_body(data)
        elif not self.is_discarding:
            self._buffer = self._buffer + data if self._buffer else data
            if self._waiter is not None:
                self.wake()
            elif len(self._buffer) >= HIGH_WATER_BYTES:
                self.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again, unless those that came are still being decoded, turn by turn."""
        if self._decoder is None or not self._decoder.is_busy:
            super().resume_reading()

    def lose_client(self) -> None:
        """No more bytes will come: a body that is under way breaks off."""
        self.has_ended = True
        if self._body is not None:
            self._body.fail(ClientGone())

    # --- heads ---

    async def next_head(self) -> bytes | None:
        """The bytes of the next request head; ``None`` when the client sends no more.

        Raises :class:`RequestError` for what can never become one, or takes too long.
        """
        timeouts = self._timeouts
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
        limit = self._limits.header_bytes
        if end < 0 and is_hopeless(buffer[: limit + 1], max(self._scanned - 1, 0)):
            raise RequestError("The request head holds bytes that no head can have.")
        if end + 4 > limit or (end < 0 and len(buffer) >= limit):
            raise HeadersTooLarge(f"The request head is larger than {limit} bytes.")
        self._scanned = len(buffer)
        return end

    # --- bodies ---

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
            self._read_deadline = self._deadline(self._timeouts.body_idle_s)

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
            self.await_body()
            body.feed(piece)
            if decoder.is_busy:
                self.pause_reading()
                self.loop.call_soon(self._feed_more)
            return
        self._read_deadline = NEVER
        self._buffer = decoder.rest
        self._decoder = self._body = None
        body.feed(piece)
        body.end(decoder.trailers)

    def _feed_more(self) -> None:
        """Go on with what the decoder has, now that others had their turn."""
        if self._decoder is not None and self._decoder.is_busy:
            self._feed_body(b"")
            if self._body is None:
                self.resume_reading()
            elif not self._body.is_full:
                self._resume_body()

    def _stop_body(self, error: RequestError) -> None:
        """The body cannot be used: whatever else comes is thrown away."""
        body, self._body, self._decoder = self._body, None, None
        self.is_discarding = True
        self._read_deadline = NEVER
        if body is not None:
            body.fail(error)
        self.resume_reading()

    async def discard_body(self) -> bool:
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

    def refuse_request(self, error: RequestError) -> None:
        """Whatever request the client sends, its answer is ``error``."""
        self._read_error = error
        self.is_discarding = True

    # --- tunnels and time-outs ---

    def take_early_bytes(self) -> bytes:
        """Before a tunnel begins: what the client sent ahead of the answer."""
        early, self._buffer = self._buffer, b""
        self._read_deadline = NEVER
        return early

    def give_up_reading(self, now: float) -> bool:
        """End what is overdue; ``now`` is loop time in seconds.

        Whether the whole connection is overdue, because nothing is awaited on it.
        """
        if now < self._read_deadline:
            return False
        self._read_deadline = NEVER
        if self._decoder is not None:
            self._stop_body(BodyTimeout("No byte of the request body came for too long."))
        elif self._waiter is None:
            return True
        elif self._buffer:
            self._read_error = HeaderTimeout("The request head did not arrive in time.")
            self.wake()
        else:
            self.end_if_idle()
        return False

    def end_if_idle(self) -> None:
        """End a connection on which no request has begun."""
        if self._waiter is not None and not self._buffer:
            self.has_ended = True
            self.wake()

    def expect_end(self, within_s: float) -> None:
        """Nothing of what comes matters any more; the client is given so long to go."""
        self.is_discarding = True
        self._decoder = None
        self._read_deadline = self._deadline(within_s)
        self.resume_reading()

    def _deadline(self, timeout_s: float) -> float:
        return self.loop.time() + timeout_s if timeout_s else NEVER

    def wake(self) -> None:
        """Let whoever waits for the next head look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
