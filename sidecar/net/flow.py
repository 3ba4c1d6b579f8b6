"""The writing half of a connection: write, and wait while the peer does not read.

Small pieces wait for the end of the event loop's turn (``net.outbox``), large ones do not.

A base for asyncio protocols, because the event loop tells a *protocol* when its transport's buffer
is full. Used by the connections of both sides and by tunnels.
"""

import asyncio
from typing import Final, Protocol

from sidecar.errors import SidecarError
from sidecar.net.outbox import MAX_WAITING, MAX_WAITING_BYTES, outbox_of
from sidecar.net.peer import unread_bytes

NEVER: Final = float("inf")


class Carrier(Protocol):
    """What a tunnel does for the two connections at its ends."""

    def carry(self, sender: "Flow", data: bytes) -> None:
        """Bytes came from ``sender``."""

    def half_close(self, sender: "Flow") -> bool:
        """``sender`` will send no more; whether its connection stays open for writing."""

    def lose(self, sender: "Flow") -> None:
        """``sender`` is gone."""

    def relieve(self, receiver: "Flow") -> None:
        """``receiver`` has room again."""

    def reset(self) -> None:
        """A connection broke off: so must the other."""


class Flow(asyncio.Protocol):
    """A protocol that knows its transport, and whose peer can be waited for.

    A peer that takes nothing for ``stall_s`` seconds (0 = any time) is overdue; whoever sweeps the
    connections asks :meth:`is_write_overdue`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, stall_s: float) -> None:
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self.tunnel: Carrier | None = None
        self.has_ended = False  # the peer said that it sends no more
        self._outbox = outbox_of(loop)
        self._stall_s = stall_s or NEVER
        self._write_deadline = NEVER
        self._waiting_bytes = 0
        self._drained: asyncio.Future[None] | None = None
        self._lost: SidecarError | None = None
        self._is_paused = False

    def write(self, data: bytes) -> None:
        """Send bytes soon; does nothing once the connection is gone."""
        if not data or self.transport is None:
            return
        outbox = self._outbox
        if not outbox:
            self.loop.call_soon(outbox.flush)
        outbox.append((self.transport, data))
        if len(data) > MAX_WAITING_BYTES or len(outbox) > MAX_WAITING:
            outbox.flush()

    def end_writing(self) -> bool:
        """Tell the peer that nothing more comes after what was written; whether it can be told
        while the connection stays open for reading."""
        if self.transport is None or not self.transport.can_write_eof():
            return False
        self._outbox.flush()
        self.transport.write_eof()
        return True

    def close(self) -> None:
        """Close the connection after what was written."""
        self._outbox.flush()
        if self.transport is not None:
            self.transport.close()

    @property
    def is_stalled(self) -> bool:
        """Whether the peer reads slower than we write."""
        return self._drained is not None

    async def drain(self) -> None:
        """Wait until the peer has read enough. Raises the connection's end if that comes first."""
        if self._lost is not None:
            raise self._lost
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def pause_writing(self) -> None:
        if self._drained is None and self.transport is not None:
            self._drained = self.loop.create_future()
            self._waiting_bytes = self.transport.get_write_buffer_size()
            self._write_deadline = self.loop.time() + self._stall_s

    def resume_writing(self) -> None:
        self._write_deadline = NEVER
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self.tunnel is not None:
            self.tunnel.relieve(self)

    def is_write_overdue(self, now: float) -> bool:
        """Whether the peer took not one byte for too long; ``now`` is loop time in seconds."""
        if now < self._write_deadline or self.transport is None:
            return False
        waiting = self.transport.get_write_buffer_size()
        if waiting < self._waiting_bytes:
            self._waiting_bytes = waiting
            self._write_deadline = now + self._stall_s
            return False
        return True

    def give_up_writing(self, error: SidecarError) -> None:
        """The connection is gone: whoever waits to write gets ``error``."""
        self._lost = error
        self._write_deadline = NEVER
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_exception(error)
            drained.exception()  # looked at, since perhaps nobody waits

    def hear_out(self, exc: Exception | None) -> None:
        """While the connection is being lost, by ``exc`` if it broke off: take what the peer said
        before, and nobody has read."""
        if exc is not None and self.transport is not None:
            data = unread_bytes(self.transport)
            if data:
                self.data_received(data)

    def pause_reading(self) -> None:
        """Stop taking bytes from the peer: whoever reads them here is slower."""
        if not self._is_paused and self.transport is not None and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the peer again."""
        if self._is_paused and self.transport is not None and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()
