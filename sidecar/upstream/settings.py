"""How the application is reached (``upstream`` in the configuration)."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import Setting


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """The application's address and how patient we are with it."""

    url: Annotated[str, Setting("http://HOST:PORT or unix:/PATH", "upstream_url")] = (
        "http://127.0.0.1:8000"
    )
    connect_timeout_s: Annotated[float, Setting("until connected", "duration", minimum=0)] = 2.0
    response_timeout_s: Annotated[
        float, Setting("until the response head; 0 = none", "duration", minimum=0)
    ] = 60.0
    max_connections: Annotated[int, Setting("connections to the application", minimum=1)] = 512
