"""The application's own calls, redirected to us: carried to where they were going.

Each connection of the application has one connection to its destination, so that everything that
two ends of a connection agree on stays between them: keep-alive, upgrades, authentication. Bytes
pass as they come, both ways; only a request's head that is not complete yet is held back, for
a moment. Whoever speaks first is heard at once.

Carries only what was redirected: a connection made straight to this port is cut, as it names no
destination, and must not be a way to go where its maker cannot. Carries nothing of its own: where
the rules do not leave the sidecar's user alone, its connections come back to it, are known by their
two addresses, and are cut. Verifies nothing.

Made by ``app.build``, driven by ``app.lifecycle``.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from functools import partial

from sidecar.errors import NotIntercepted, OverLimit, SidecarError
from sidecar.metrics.outbound import LOOP, OutboundTraffic
from sidecar.net.listen import BACKLOG
from sidecar.net.original_dst import Accepted, plain_ip
from sidecar.proxy.calls import Calls
from sidecar.proxy.record import MAX_LINES_PER_SECOND, Throttle
from sidecar.proxy.settings import OutboundSettings
from sidecar.setting import Address
from sidecar.upstream.dial import dial
from sidecar.upstream.opaque import OpaqueEnd
from sidecar.upstream.ports import Surroundings
from sidecar.upstream.tunnel import Tunnel
from sidecar.wire.conversation import Conversation

log = logging.getLogger("sidecar.proxy")

#: From where a connection goes, and where to: no two have both in common, though many have one.
Ends = tuple[Address, Address]


class Outbound:
    """Every call that is open. ``original_destination`` is asked of each accepted connection."""

    def __init__(
        self,
        settings: OutboundSettings,
        calls: Calls,
        traffic: OutboundTraffic,
        surroundings: Surroundings,
        original_destination: Callable[[Accepted], Address | None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.settings = settings
        self.calls = calls
        self.traffic = traffic
        self.tasks = tasks
        self._surroundings = surroundings
        self._original_destination = original_destination
        self._open: set[Call] = set()
        self._own: set[Ends] = set()  # the connections to destinations
        self._listeners: list[asyncio.Server] = []
        self._throttle = Throttle(MAX_LINES_PER_SECOND)

    def __repr__(self) -> str:
        return f"<Outbound {len(self._open)} calls>"

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept calls from these listening sockets."""
        for listener in sockets:
            server = await self.loop.create_server(
                lambda: Call(self), sock=listener, backlog=BACKLOG
            )
            self._listeners.append(server)

    def close(self) -> None:
        """Accept no more calls, and cut those that are open."""
        for listener in self._listeners:
            listener.close()
        for call in list(self._open):
            call.abort()

    # --- called by the calls ---

    def welcome(self, call: "Call", accepted: Accepted | None, peer: Address) -> Address | None:
        """Where a new call of ``peer`` is going; ``None`` where it is not carried."""
        destination = None if accepted is None else self._original_destination(accepted)
        if destination is None:
            self.fail(NotIntercepted.reason, None)
        elif (peer, destination) in self._own or self._surroundings.is_ourselves(destination):
            self.fail(LOOP, destination)
        elif len(self._open) >= self.settings.max_connections:
            self.fail(OverLimit.reason, destination)
        else:
            self._open.add(call)
            self.traffic.open_count = len(self._open)
            return destination
        return None

    def note_own_end(self, call: "Call", destination: Address, own_end: Address) -> None:
        """A call is on its way to its destination, from this address."""
        call.onward = Address(plain_ip(own_end.host), own_end.port), destination
        self._own.add(call.onward)

    def farewell(self, call: "Call") -> None:
        """A call has ended."""
        self._open.discard(call)
        if call.onward is not None:
            self._own.discard(call.onward)
        self.traffic.open_count = len(self._open)

    def fail(self, reason: str, destination: Address | None) -> None:
        """Count, and log, a call that is not carried."""
        self.traffic.failed(reason)
        if self._throttle.admit(reason, time.time()) is not None:
            where = None if destination is None else f"{destination.host} port {destination.port}"
            log.warning(
                "A call of the application was not carried.",
                extra={"data": {"destination": where, "reason": reason}},
            )


class Call(OpaqueEnd):
    """The application's end of one call."""

    def __init__(self, outbound: Outbound) -> None:
        super().__init__(outbound.loop)
        self.onward: Ends | None = None  # the connection to the destination
        self._outbound = outbound
        self._conversation: Conversation[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        name = transport.get_extra_info("peername")  # None where the peer is gone already
        peer = Address(plain_ip(name[0]), name[1]) if name else Address()
        accepted = transport.get_extra_info("socket")
        destination = self._outbound.welcome(self, accepted, peer)
        if destination is None:
            self.abort()
        else:
            self._task = self._outbound.tasks.create_task(self._carry(destination))

    def data_received(self, data: bytes) -> None:
        if self.tunnel is None or self._conversation is None:
            super().data_received(data)
            return
        self.tunnel.carry(self, self._conversation.from_client(data))
        self._watch(self._conversation)

    def eof_received(self) -> bool:
        self._release()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._release()
        super().connection_lost(exc)
        self._stop_timer()
        if self.tunnel is None and self._task is not None:
            self._task.cancel()
        self._outbound.farewell(self)

    # --- the destination's side ---

    def overhear(self, data: bytes) -> None:
        """Bytes came from the destination, and are about to be passed on."""
        conversation = self._conversation
        if conversation is None:
            return
        conversation.from_server(data)
        if conversation.is_holding and conversation.has_given_up:
            self._release()

    # --- carrying ---

    async def _carry(self, destination: Address) -> None:
        outbound = self._outbound
        callee = _Callee(self)
        try:
            timeout_s = outbound.settings.connect_timeout_s
            note = partial(outbound.note_own_end, self, destination)
            await dial(callee, (destination,), timeout_s, who="The destination", note_own_end=note)
        except SidecarError as error:
            outbound.fail(error.reason, destination)
            self.abort()
            return
        try:
            await self._join(callee, destination)
        except Exception:
            # A fault here must cost one call, never the task group that holds them all.
            log.exception("A fault of the proxy itself ended a call.")
            callee.abort()
            self.abort()

    async def _join(self, callee: OpaqueEnd, destination: Address) -> None:
        calls, traffic = self._outbound.calls, self._outbound.traffic
        conversation = Conversation(partial(calls.rewrite, destination), calls.answered)
        tunnel = Tunnel(self, callee, self.loop)
        traffic.carry(tunnel)
        try:
            from_application = conversation.from_client(self.take_early_bytes())
            from_destination = callee.take_early_bytes()
            if from_destination:
                conversation.from_server(from_destination)
            if conversation.is_holding and (conversation.has_given_up or self.has_ended):
                from_application += conversation.release()
            self._conversation = conversation
            tunnel.open(from_application, from_destination)
            self._watch(conversation)
            await tunnel.done
        finally:
            tunnel.close()
            traffic.carried(tunnel, conversation.protocol.value)
            self.expect_end()
            callee.expect_end()

    def _watch(self, conversation: Conversation[str]) -> None:
        """See to it that a head that is held back is not held back for long."""
        if not conversation.is_holding:
            self._stop_timer()
        elif self._timer is None:
            wait_s = self._outbound.settings.detect_timeout_s
            self._timer = self.loop.call_later(wait_s, self._release)

    def _release(self) -> None:
        self._stop_timer()
        if self.tunnel is not None and self._conversation is not None:
            self.tunnel.carry(self, self._conversation.release())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Callee(OpaqueEnd):
    """The destination's end of a call."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.loop)
        self._call = call

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self._call.overhear(data)
        super().data_received(data)
