"""A tunnel: after an upgrade, bytes pass both ways as they are (RFC 9110, section 7.8).

Copies without looking, keeps one direction open when the other has ended, and stops reading from
whoever is faster than the other side. Who may have a tunnel, and for how long, is decided by
``proxy.pipeline`` and ``proxy.server``.
"""

import asyncio

from sidecar.net.flow import Flow
from sidecar.net.peer import reset_on_close


class Tunnel:
    """Two connections joined; ``done`` is set once both directions have ended."""

    def __init__(self, client: Flow, application: Flow, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._application = application
        self._ended: set[Flow] = set()
        self.done: asyncio.Future[None] = loop.create_future()
        self.bytes_to_client = self.bytes_to_application = 0
        client.tunnel = application.tunnel = self

    def open(self, from_client: bytes, from_application: bytes) -> None:
        """Carry what came before the tunnel was there, and catch up with ends that came then."""
        self.carry(self._client, from_client)
        self.carry(self._application, from_application)
        for flow in (self._client, self._application):
            flow.resume_reading()
            if flow.transport is None:
                self.lose(flow)
            elif flow.has_ended:
                self.half_close(flow)

    def carry(self, sender: Flow, data: bytes) -> None:
        receiver = self._other(sender)
        receiver.write(data)
        if receiver is self._client:
            self.bytes_to_client += len(data)
        else:
            self.bytes_to_application += len(data)
        if receiver.is_stalled:
            sender.pause_reading()

    def relieve(self, receiver: Flow) -> None:
        self._other(receiver).resume_reading()

    def half_close(self, sender: Flow) -> bool:
        self._ended.add(sender)
        self._other(sender).end_writing()
        if len(self._ended) == 2:
            self.close()
        return True

    def lose(self, _sender: Flow) -> None:
        self.close()

    def close(self) -> None:
        """End both directions after what is already on its way."""
        for flow in (self._client, self._application):
            flow.close()
        if not self.done.done():
            self.done.set_result(None)

    def cut(self) -> None:
        """End both directions at once."""
        for flow in (self._client, self._application):
            if flow.transport is not None:
                flow.transport.abort()
        self.close()

    def reset(self) -> None:
        """End both directions after what is already on its way, so that neither peer takes what
        came for all there was."""
        for flow in (self._client, self._application):
            if flow.transport is not None:
                reset_on_close(flow.transport)
        self.close()

    def _other(self, flow: Flow) -> Flow:
        return self._application if flow is self._client else self._client
