"""A body between two tasks: the network feeds it, the pipeline reads it, neither outruns the other.

Holds at most a high-water mark of bytes before it asks the transport to stop reading, so a slow
reader costs memory once and not without end. Decodes nothing: ``wire.body`` does.

Used by the connections of both sides.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sidecar.wire.head import Field

HIGH_WATER_BYTES: Final = 256 * 1024


class Stream:
    """The bytes of one message body, in order, with back-pressure and one reader.

    ``on_full`` and ``on_drained`` stop and restart the transport that feeds it.
    """

    __slots__ = (
        "_error",
        "_on_drained",
        "_on_full",
        "_pieces",
        "_size",
        "_waiter",
        "has_ended",
        "total_bytes",
        "trailers",
        "was_read",
    )

    def __init__(
        self,
        on_full: Callable[[], None] | None = None,
        on_drained: Callable[[], None] | None = None,
    ) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._on_full = on_full
        self._on_drained = on_drained
        self.has_ended = False
        self.was_read = False
        self.total_bytes = 0
        self.trailers: list[Field] = []

    def __repr__(self) -> str:
        state = "failed" if self._error else "ended" if self.has_ended else "open"
        return f"<Stream {state}, {self._size} of {self.total_bytes} bytes waiting>"

    @property
    def is_failed(self) -> bool:
        """Whether the body broke off."""
        return self._error is not None

    @property
    def is_full(self) -> bool:
        """Whether the reader is so far behind that no more should come."""
        return self._size >= HIGH_WATER_BYTES

    @property
    def is_exhausted(self) -> bool:
        """Whether the body is complete and every byte of it was taken."""
        return self.has_ended and not self._pieces

    def feed(self, data: bytes) -> None:
        """More bytes from the network."""
        if not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        self.total_bytes += len(data)
        if self._waiter is not None:
            self._wake()
        if self.is_full and self._on_full is not None:
            self._on_full()

    def end(self, trailers: list[Field] | None = None) -> None:
        """The body is complete."""
        if trailers:
            self.trailers = trailers
        self.has_ended = True
        if self._waiter is not None:
            self._wake()

    def fail(self, error: BaseException) -> None:
        """The body broke off; the reader gets ``error`` after the bytes that still came."""
        if self._error is None and not self.has_ended:
            self._error = error
            if self._waiter is not None:
                self._wake()

    def take(self) -> bytes:
        """What is here now, perhaps nothing; once all is taken, raises what :meth:`fail` got."""
        pieces = self._pieces
        if not pieces:
            if self._error is not None:
                raise self._error
            return b""
        self.was_read = True
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        was_full = self.is_full
        self._size = 0
        if was_full and self._on_drained is not None:
            self._on_drained()
        return data

    async def wait_until_whole(self) -> bool:
        """Wait until all of it is here and untaken, or as much as is held; whether it is all.

        Raises what :meth:`fail` got.
        """
        while not self.has_ended and not self.is_full:
            if self._error is not None:
                raise self._error
            await self._wait()
        return self.has_ended

    def peek(self) -> bytes:
        """What is here now; it stays to be taken."""
        if len(self._pieces) > 1:
            self._pieces[:] = (b"".join(self._pieces),)
        return self._pieces[0] if self._pieces else b""

    async def read(self) -> bytes:
        """The next bytes, as many as have come; ``b""`` at the end of the body."""
        while not self._pieces and not self.has_ended and self._error is None:
            await self._wait()
        return self.take()

    async def _wait(self) -> None:
        """Until more bytes, the end or an error have come."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        finally:
            # A reader that was cancelled must not take away the next one's waiter.
            if self._waiter is waiter:
                self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def empty_stream() -> Stream:
    """A body that is known to be empty."""
    stream = Stream()
    stream.has_ended = True
    return stream
