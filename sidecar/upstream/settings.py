"""How the application is reached (``upstream`` in the configuration)."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import ORIGINAL_DST, PortRange, Setting


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """The application's address and how patient we are with it."""

    url: Annotated[
        str,
        Setting(
            "http://HOST:PORT or unix:/PATH; original-dst = the port that an intercepted connection"
            " was made to",
            "upstream",
        ),
    ] = "http://127.0.0.1:8000"
    host: Annotated[
        str,
        Setting(
            "with original-dst: loopback = that port of this machine's loopback, destination = of"
            " the very address",
            choices=("loopback", "destination"),
        ),
    ] = "loopback"
    ports: Annotated[
        tuple[PortRange, ...],
        Setting("with original-dst: the ports that are served: 8000 or 9000-9010", "port_range"),
    ] = ()
    fallback: Annotated[
        str | None,
        Setting(
            "with original-dst: where a connection goes that was not intercepted; null = it is"
            " refused",
            "upstream_url",
        ),
    ] = None
    connect_timeout_s: Annotated[float, Setting("until connected", "duration", minimum=0)] = 2.0
    response_timeout_s: Annotated[
        float, Setting("until the response head; 0 = none", "duration", minimum=0)
    ] = 60.0
    max_connections: Annotated[int, Setting("connections to the application", minimum=1)] = 512

    @property
    def is_original_dst(self) -> bool:
        """Whether each connection brings its own destination along."""
        return self.url == ORIGINAL_DST
