"""The inbound port: accepts connections, counts them, sweeps their time-outs, drains them.

One sweep a few times a second compares every connection's deadlines, instead of a timer for each
request: ten thousand connections cost half a millisecond, a request costs nothing.

Made by ``app.build``, driven by ``app.lifecycle``.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Final

from sidecar.metrics.traffic import Traffic
from sidecar.net.listen import BACKLOG
from sidecar.proxy.connection import ClientConnection, Guest
from sidecar.proxy.doorway import Door, Doorway
from sidecar.proxy.pipeline import Pipeline
from sidecar.proxy.settings import LimitSettings, TimeoutSettings

log = logging.getLogger("sidecar.proxy")

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: sidecar\r\n"
    b"Content-Type: application/problem+json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
)
_FULL_BODY: Final = (
    b'{"type": "urn:sidecar:problem:over_limit", "title": "The service is at its limit", '
    b'"status": 503, "detail": "Too many connections are open.", "reason": "over_limit", '
    b'"request_id": ""}\n'
)


class Server:
    """Every client connection of this sidecar."""

    def __init__(
        self,
        pipeline: Pipeline,
        limits: LimitSettings,
        timeouts: TimeoutSettings,
        traffic: Traffic,
        tasks: asyncio.TaskGroup,
        door: Door | None = None,
    ) -> None:
        """``door``: where more must be known of a connection before it is served."""
        self.loop = asyncio.get_running_loop()
        self.pipeline = pipeline
        self.limits = limits
        self.timeouts = timeouts
        self.tasks = tasks
        self._traffic = traffic
        self._door = door
        self._connections: set[Guest] = set()
        self._refused: set[Guest] = set()  # told so, and lingering for a moment
        self._listeners: list[asyncio.Server] = []
        self.is_draining = False

    def __repr__(self) -> str:
        state = "draining" if self.is_draining else "open"
        return f"<Server {state}, {len(self._connections)} connections>"

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept connections from these listening sockets."""
        for listener in sockets:
            if listener.family == socket.AF_UNIX:
                server = await self.loop.create_unix_server(
                    self._connect, sock=listener, backlog=BACKLOG
                )
            else:
                server = await self.loop.create_server(
                    self._connect, sock=listener, backlog=BACKLOG
                )
            self._listeners.append(server)

    def _connect(self) -> ClientConnection | Doorway:
        return ClientConnection(self) if self._door is None else Doorway(self, self._door)

    # --- called by connections ---

    def welcome(self, connection: Guest) -> bool:
        """Take a new connection in; ``False`` once it was told that there are too many."""
        self._connections.add(connection)
        if self._traffic.connections_open < self.limits.connections:
            self._traffic.connections_open += 1
            return True
        self._refused.add(connection)
        connection.refuse(_FULL % (len(_FULL_BODY), _FULL_BODY))
        return False

    def farewell(self, connection: Guest) -> None:
        """A connection is gone, or is another kind of guest from now on; counted once."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if connection in self._refused:
            self._refused.discard(connection)
        else:
            self._traffic.connections_open -= 1

    # --- called by the lifecycle ---

    @property
    def sweep_interval_s(self) -> float:
        """How often to sweep so that no time-out is late by more than 0.5 s or a tenth of it."""
        limits = (self.timeouts.header_s, self.timeouts.idle_s, self.timeouts.body_idle_s)
        return min([0.5, *(max(limit / 10, 0.02) for limit in limits if limit)])

    def sweep(self) -> None:
        """Give up the connections that are overdue, and log what is due."""
        self.pipeline.recorder.tell_left_out(time.time())
        now = self.loop.time()
        for connection in list(self._connections):
            connection.check_deadlines(now)

    def start_draining(self) -> None:
        """From now on every answer closes its connection; new connections are still served."""
        self.is_draining = True

    def stop_listening(self) -> None:
        """Accept no more connections, and close those that wait for their next request."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.end_if_idle()

    async def wait_until_idle(self, timeout_s: float, is_hurried: Callable[[], bool]) -> bool:
        """Wait for the requests in flight; whether all ended in time and before we were hurried."""
        end = self.loop.time() + timeout_s
        while self._connections and self.loop.time() < end and not is_hurried():
            for connection in list(self._connections):
                connection.end_if_idle()
            await asyncio.sleep(0.02)
        return not self._connections

    def abort_all(self) -> None:
        """Cut every connection that is left."""
        for connection in list(self._connections):
            connection.abort()
