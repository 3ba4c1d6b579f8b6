"""Connections to ports that are declared opaque: bytes both ways, unread, with nobody's token.

Made by ``proxy.doorway``, and nowhere else: a port is opaque because the configuration says so,
never because of what a client sends.
"""

import asyncio
import logging
import time
from typing import Protocol

from sidecar.errors import SidecarError
from sidecar.metrics.opaque import OpaqueTraffic
from sidecar.proxy.connection import Reception
from sidecar.proxy.record import MAX_LINES_PER_SECOND, Throttle
from sidecar.setting import Address
from sidecar.upstream.dial import dial
from sidecar.upstream.opaque import OpaqueEnd
from sidecar.upstream.tunnel import Tunnel

log = logging.getLogger("sidecar.proxy")


class OpaquePorts(Protocol):
    """``upstream.ports``, as seen from here."""

    def is_opaque(self, port: int) -> bool: ...
    def addresses(self, destination: Address) -> tuple[Address, ...]: ...


class Passage:
    """Where the bytes of opaque ports go, and the count of them."""

    def __init__(
        self, ports: OpaquePorts, traffic: OpaqueTraffic, connect_timeout_s: float
    ) -> None:
        self._ports = ports
        self._connect_timeout_s = connect_timeout_s
        self._throttle = Throttle(MAX_LINES_PER_SECOND)
        self.traffic = traffic

    def carries(self, destination: Address) -> bool:
        """Whether connections to there pass unread."""
        return self._ports.is_opaque(destination.port)

    def refuse(self, destination: Address) -> None:
        """Count a connection that was not let in."""
        self.traffic.refused(destination.port)

    def fail(self, destination: Address, peer: bytes, error: SidecarError) -> None:
        """Count, and log, that the application was not reached."""
        self.traffic.failed(destination.port)
        if self._throttle.admit(error.reason, time.time()) is not None:
            data = {"port": destination.port, "peer": peer.decode("latin-1")}
            log.info(
                "The application was not reached at an opaque port.",
                extra={"data": {**data, "reason": error.reason}},
            )

    async def dial(self, destination: Address, loop: asyncio.AbstractEventLoop) -> OpaqueEnd:
        """A connection to the application. Raises the :class:`SidecarError` that kept it."""
        end = OpaqueEnd(loop)
        await dial(end, self._ports.addresses(destination), self._connect_timeout_s)
        return end


class OpaqueConnection(OpaqueEnd):
    """One client whose bytes nobody reads."""

    def __init__(
        self, server: Reception, passage: Passage, destination: Address, peer: bytes
    ) -> None:
        super().__init__(server.loop)
        self._peer = peer
        self._server = server
        self._passage = passage
        self._destination = destination
        self._task: asyncio.Task[None] | None = None

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._server.welcome(self):
            self._passage.traffic.begin(self._destination.port)
            self._task = self._server.tasks.create_task(self._carry())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.tunnel is None and self._task is not None:
            self._task.cancel()
        self._server.farewell(self)

    async def _carry(self) -> None:
        traffic, port = self._passage.traffic, self._destination.port
        try:
            end = await self._passage.dial(self._destination, self.loop)
            tunnel = Tunnel(self, end, self.loop)
            traffic.carry(port, tunnel)
            try:
                tunnel.open(self.take_early_bytes(), end.take_early_bytes())
                await tunnel.done
            finally:
                tunnel.close()
                traffic.carried(port, tunnel)
                self.expect_end()
                end.expect_end()
        except SidecarError as error:
            self._passage.fail(self._destination, self._peer, error)
            self.abort()
        except Exception:
            # A fault here must cost one connection, never the task group that holds them all.
            log.exception("A fault of the proxy itself ended an opaque connection.")
            self.abort()
        finally:
            traffic.end(port)

    # --- called by the server ---

    def check_deadlines(self, _now: float) -> None:
        """Nothing of it is ever overdue: how the protocol paces itself is not known."""

    def end_if_idle(self) -> None:
        """Whether it is idle is not known either."""

    def refuse(self, _answer: bytes) -> None:
        """End a connection that gets no service; an answer would be in a foreign protocol."""
        self._passage.refuse(self._destination)
        self.abort()
