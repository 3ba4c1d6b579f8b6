"""Wires what carries the application's own calls. Called by ``app.build``."""

import asyncio

from sidecar.app.versions import Versions
from sidecar.config.settings import Settings
from sidecar.metrics.outbound import OutboundTraffic
from sidecar.net.original_dst import original_destination
from sidecar.proxy.calls import Calls
from sidecar.proxy.outbound import Outbound
from sidecar.upstream.ports import Surroundings


def build_outbound(
    settings: Settings,
    versions: Versions,
    surroundings: Surroundings,
    tasks: asyncio.TaskGroup,
) -> Outbound:
    """What carries the calls; it listens on what it is told to, perhaps nothing."""
    is_on = bool(settings.outbound.listen)
    traffic = OutboundTraffic(list(settings.dependencies), is_on=is_on)
    calls = Calls(
        settings.service,
        lambda: versions.statement().version.version,
        settings.outbound.traceparent,
        settings.dependencies,
        traffic,
    )
    return Outbound(settings.outbound, calls, traffic, surroundings, original_destination, tasks)
