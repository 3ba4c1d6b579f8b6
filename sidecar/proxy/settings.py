"""What the data plane can be told: limits, time-outs, version paths, access log, shutdown."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import Setting


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Upper bounds; 0 = no bound where that is allowed."""

    header_bytes: Annotated[
        int, Setting("bytes of a request head", "size", minimum=1024, maximum=1048576)
    ] = 16384
    headers: Annotated[int, Setting("fields in a request head", minimum=8, maximum=10000)] = 100
    body_bytes: Annotated[int, Setting("bytes of a request body; 0 = any", "size", minimum=0)] = 0
    connections: Annotated[int, Setting("open client connections", minimum=1)] = 10000
    in_flight: Annotated[int, Setting("requests at once; 0 = any", minimum=0)] = 0


@dataclass(frozen=True, slots=True)
class TimeoutSettings:
    """How long a client may take."""

    header_s: Annotated[float, Setting("for the whole request head", "duration", minimum=0)] = 10.0
    idle_s: Annotated[float, Setting("between requests", "duration", minimum=0)] = 75.0
    body_idle_s: Annotated[
        float, Setting("without progress of a body, either way", "duration", minimum=0)
    ] = 60.0


@dataclass(frozen=True, slots=True)
class ShutdownSettings:
    """How the end goes."""

    drain_s: Annotated[
        float, Setting("new connections are still served for this long", "duration", minimum=0)
    ] = 5.0
    grace_s: Annotated[
        float, Setting("then requests in flight may finish for this long", "duration", minimum=0)
    ] = 25.0
    last_word_s: Annotated[
        float,
        Setting(
            "with auth.issues: after the last answer /metrics is served on until it was read once"
            " more, at most for this long and within grace",
            "duration",
            minimum=0,
        ),
    ] = 25.0


@dataclass(frozen=True, slots=True)
class VersionSettings:
    """The service's version: on whose word it is, and where it is said."""

    paths: Annotated[
        tuple[str, ...], Setting("GET paths that answer the version; empty = off", "url_path")
    ] = ("/version",)
    verify: Annotated[
        str | None, Setting("a path at which the application is asked for its version", "url_path")
    ] = None
    source: Annotated[
        str,
        Setting(
            "whose word is the version: stamp = VERSION_NAME and VERSION_SHA, app = the"
            " application's (verify)",
            choices=("stamp", "app"),
            name="from",
        ),
    ] = "stamp"
    header: Annotated[
        str,
        Setting(
            "X-Service-Version on the application's answers: on = where it has none of its own,"
            " replace = always ours",
            choices=("off", "on", "replace"),
        ),
    ] = "off"
    callers: Annotated[
        tuple[str, ...],
        Setting("names in X-Client-Service whose requests are counted by X-Client-Version"),
    ] = ()


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """How long an upgraded connection (WebSocket and others) lives."""

    end: Annotated[
        str,
        Setting(
            "what ends a tunnel besides its peers and its key's removal: expiry = of its token",
            choices=("expiry", "never"),
        ),
    ] = "expiry"


@dataclass(frozen=True, slots=True)
class ProxyProtocolSettings:
    """Whose word is taken for where a connection comes from (PROXY protocol, version 1 and 2)."""

    networks: Annotated[
        tuple[str, ...],
        Setting(
            "load balancers that begin each connection with a PROXY header: networks, or unix",
            "network",
            name="from",
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """The application's own calls, where they are redirected to us."""

    listen: Annotated[
        tuple[str, ...],
        Setting("where calls are redirected to, on loopback; empty = off", "address"),
    ] = ()
    detect_timeout_s: Annotated[
        float,
        Setting(
            "for how long an unfinished request head is held back", "duration", minimum=0, maximum=5
        ),
    ] = 0.1
    connect_timeout_s: Annotated[float, Setting("until connected", "duration", minimum=0.1)] = 10.0
    max_connections: Annotated[int, Setting("open calls", minimum=1)] = 4096
    traceparent: Annotated[
        str,
        Setting(
            "what a request without traceparent gets: one that says sampled, or not sampled, or"
            " none (off)",
            choices=("unsampled", "sampled", "off"),
        ),
    ] = "unsampled"
