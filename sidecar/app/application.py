"""Wires the way to the application, and what must be known of a connection before it is served.

Called by ``app.build``.
"""

import asyncio

from sidecar.config.addresses import asked_url
from sidecar.config.settings import Settings
from sidecar.metrics.opaque import OpaqueTraffic
from sidecar.net.networks import Networks
from sidecar.net.original_dst import original_destination
from sidecar.proxy.doorway import Door
from sidecar.proxy.opaque import Passage
from sidecar.upstream.client import Upstream
from sidecar.upstream.ports import ApplicationPorts, Surroundings


class Application:
    """``upstream`` is the way to the application, ``asked`` the sidecar's own to it, which there is
    wherever it has a question; ``door`` is what ``proxy.server`` needs."""

    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, surroundings: Surroundings
    ) -> None:
        self._settings = settings
        self.opaque_traffic = OpaqueTraffic(settings.opaque_ports)
        self.upstream: Upstream | ApplicationPorts
        self.asked: Upstream | None
        self.ports: ApplicationPorts | None = None
        if settings.upstream.is_original_dst:
            self.upstream = self.ports = ApplicationPorts(
                settings.upstream,
                settings.opaque_ports,
                loop,
                surroundings,
                asked_url(settings) if settings.version.verify is not None else None,
            )
            self.asked = self.ports.asked
        else:
            self.upstream = self.asked = Upstream(settings.upstream, loop)

    def door(self) -> Door | None:
        """None where a connection is served without more ado."""
        networks = Networks(self._settings.proxy_protocol.networks)
        if self.ports is None:
            return Door(None, networks, None) if networks else None
        connect_timeout_s = self._settings.upstream.connect_timeout_s
        passage = Passage(self.ports, self.opaque_traffic, connect_timeout_s)
        return Door(original_destination, networks, passage)
