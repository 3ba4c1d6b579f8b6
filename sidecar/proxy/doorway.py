"""What happens to a connection before it is served, where more must be known of it than its peer.

Reads the PROXY header of connections from the networks that send one, asks the kernel where a
redirected connection was going, and hands the connection over: to ``proxy.opaque`` where its port
is declared so, else to ``proxy.connection``. The protocol is never guessed. A header from any other
network is what it looks like there: bytes that are no HTTP.

Made by ``proxy.server`` for each accepted connection, where ``app.build`` gave it a door.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from sidecar.errors import BadProxyHeader, ClientGone, HeaderTimeout, RequestError
from sidecar.net.flow import NEVER, Flow
from sidecar.net.networks import Networks
from sidecar.net.original_dst import Accepted
from sidecar.net.peer import peer_address, reset_on_close
from sidecar.proxy.connection import ClientConnection, Reception
from sidecar.proxy.opaque import OpaqueConnection, Passage
from sidecar.setting import Address
from sidecar.wire.proxy_protocol import parse_proxy_header


@dataclass(frozen=True, slots=True)
class Door:
    """``original_destination``: of an accepted connection, where connections come redirected.
    ``header_networks``: whose connections begin with a PROXY header. ``passage``: where the bytes
    of opaque ports go, where there are any."""

    original_destination: Callable[[Accepted], Address | None] | None
    header_networks: Networks
    passage: Passage | None


class Doorway(Flow):
    """One connection, until it is known how it is served."""

    def __init__(self, server: Reception, door: Door) -> None:
        super().__init__(server.loop, stall_s=0)
        self._server = server
        self._door = door
        self._peer = b""
        self._destination: Address | None = None
        self._buffer = b""
        self._deadline = NEVER
        self._is_waiting = False

    def __repr__(self) -> str:
        return f"<Doorway {self._peer.decode('latin-1')}>"

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, though they do the same.
        self.transport = cast(asyncio.Transport, transport)
        self._peer = peer_address(transport)
        if not self._peer:
            self.abort()  # what it sent would be of nobody
            return
        accepted = transport.get_extra_info("socket")
        if self._door.original_destination is not None and accepted is not None:
            self._destination = self._door.original_destination(accepted)
        if self._peer not in self._door.header_networks:
            self._hand_over(self._peer, b"")
        elif self._server.welcome(self):
            self._is_waiting = True
            timeout_s = self._server.timeouts.header_s
            self._deadline = self.loop.time() + timeout_s if timeout_s else NEVER

    def data_received(self, data: bytes) -> None:
        if not self._is_waiting:
            return
        self._buffer += data
        try:
            header = parse_proxy_header(self._buffer)
        except BadProxyHeader as error:
            self._refuse(error)
        else:
            if header is not None:
                self._leave()
                self._hand_over(header.peer or self._peer, self._buffer[header.size :])

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.give_up_writing(ClientGone())
        self._is_waiting = False
        self._server.farewell(self)

    # --- the end of waiting ---

    def _leave(self) -> None:
        self._is_waiting = False
        self._deadline = NEVER
        self._server.farewell(self)

    def _hand_over(self, peer: bytes, rest: bytes, error: RequestError | None = None) -> None:
        """From now on another serves this connection; ``rest`` came after the header."""
        transport, self.transport = self.transport, None
        assert transport is not None
        next_one: ClientConnection | OpaqueConnection
        if (opaque := self._opaque()) is not None:
            next_one = OpaqueConnection(self._server, *opaque, peer)
        else:
            next_one = ClientConnection(self._server)
            next_one.peer, next_one.destination = peer, self._destination
            if error is not None:
                next_one.refuse_request(error)
        transport.set_protocol(next_one)
        next_one.connection_made(transport)
        if rest:
            next_one.data_received(rest)

    def _refuse(self, error: RequestError) -> None:
        """Answer a client that may speak HTTP; where nobody looks at bytes, only cut."""
        self._leave()
        if not self._cut_opaque():
            self._hand_over(self._peer, b"", error)

    def _opaque(self) -> tuple[Passage, Address] | None:
        """Where the bytes go, and through what, where the port is declared opaque."""
        passage, destination = self._door.passage, self._destination
        if passage is None or destination is None or not passage.carries(destination):
            return None
        return passage, destination

    def _cut_opaque(self) -> bool:
        """Cut the connection where any answer would be in a foreign protocol; whether it is so."""
        opaque = self._opaque()
        if opaque is None:
            return False
        passage, destination = opaque
        passage.refuse(destination)
        self.abort()
        return True

    # --- called by the server ---

    def check_deadlines(self, now: float) -> None:
        """Give up a header that is overdue; ``now`` is loop time in seconds."""
        if now < self._deadline:
            return
        self._refuse(HeaderTimeout("The PROXY header did not arrive in time."))

    def end_if_idle(self) -> None:
        """End a connection on which nothing has begun."""
        if not self._buffer:
            self.close()

    def refuse(self, answer: bytes) -> None:
        """Send a finished answer to a connection that gets no service, and end it."""
        if not self._cut_opaque():
            self.write(answer)
            self.close()

    def abort(self) -> None:
        """Cut the connection."""
        if self.transport is not None:
            reset_on_close(self.transport)
            self.transport.abort()
