"""What the connections have to send, sent together once the event loop has heard everybody out.

A write wakes whoever waits for it, and to wake somebody who fell asleep again since the last write
costs more than the write. Written one after the other, the bytes of a turn find their reader awake.
On a loop with nothing else to do the bytes are on their way a little later than they could have
been.

Used by ``net.flow``.
"""

import asyncio
import logging
from typing import Final
from weakref import WeakKeyDictionary

log = logging.getLogger("sidecar.net")

#: Larger pieces, and more than so many, do not wait for the end of the turn.
MAX_WAITING_BYTES: Final = 32 * 1024
MAX_WAITING: Final = 64


class Outbox(list[tuple[asyncio.Transport, bytes]]):
    """What is to be written on which transport, in order, for one event loop.

    Who puts something into an empty one has :meth:`flush` called soon.
    """

    __slots__ = ("__weakref__",)

    def flush(self) -> None:
        """Write everything now, but for what is left for connections that ended meanwhile."""
        waiting = self[:]
        self.clear()
        for transport, data in waiting:
            try:
                if not transport.is_closing():
                    transport.write(data)
            except Exception:
                # A fault here must cost one connection, not all those that come after it.
                log.exception("A fault of the proxy itself kept bytes from a connection.")
                transport.abort()


_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one that all connections of this event loop share."""
    return _outboxes.setdefault(loop, Outbox())
