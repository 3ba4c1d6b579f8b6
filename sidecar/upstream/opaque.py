"""One end of a connection whose bytes pass unread.

Keeps what comes before its tunnel is there, and tells the tunnel the rest. A reset is passed on as
a reset: what broke off on one side must not look complete on the other. Never gives up a peer that
is silent or slow, as the protocol is unknown; the kernel's keep-alive finds those that are gone.

The base of ``proxy.opaque`` and ``proxy.outbound``, and what they join their clients with.
"""

import asyncio
from typing import Final, cast

from sidecar.errors import ClientGone
from sidecar.net.flow import Flow
from sidecar.net.peer import find_when_gone, keep_urgent, reset_on_close

#: After both sides have said everything, for how long one may read nothing of it.
LINGER_S: Final = 60.0
#: Before the tunnel is there, so much is taken from a peer and no more.
MAX_EARLY_BYTES: Final = 64 * 1024


class OpaqueEnd(Flow):
    """Bytes in and out, without meaning."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, stall_s=0)
        self._early: list[bytes] = []
        self._early_bytes = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'joined' if self.tunnel else 'alone'}>"

    def take_early_bytes(self) -> bytes:
        """What came before the tunnel."""
        early, self._early, self._early_bytes = self._early, [], 0
        return b"".join(early)

    def abort(self) -> None:
        """Cut the connection: the peer sees a reset."""
        if self.transport is not None:
            reset_on_close(self.transport)
            self.transport.abort()

    def expect_end(self) -> None:
        """Everything is said: whoever takes nothing more of it is not waited for without end."""
        if self.transport is not None and (waiting := self.transport.get_write_buffer_size()):
            self.loop.call_later(LINGER_S, self._end_unless_taken, waiting)

    def _end_unless_taken(self, earlier: int) -> None:
        if self.transport is not None and self.transport.get_write_buffer_size() < earlier:
            self.expect_end()
        else:
            self.abort()

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do the same.
        self.transport = cast(asyncio.Transport, transport)
        find_when_gone(transport)
        keep_urgent(transport)

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.carry(self, data)
            return
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes >= MAX_EARLY_BYTES:
            self.pause_reading()

    def eof_received(self) -> bool:
        self.has_ended = True
        return self.tunnel is None or self.tunnel.half_close(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hear_out(exc)
        self.transport = None
        self.give_up_writing(ClientGone())
        if self.tunnel is not None:
            if exc is not None:
                self.tunnel.reset()
            self.tunnel.lose(self)
