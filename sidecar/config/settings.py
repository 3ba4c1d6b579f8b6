"""The whole configuration: every room's settings under the names that users write."""

from dataclasses import dataclass, field
from typing import Annotated

from sidecar.dependencies.settings import DependencySettings
from sidecar.keys.settings import KeySourceSettings
from sidecar.proxy.settings import (
    LimitSettings,
    OutboundSettings,
    ProxyProtocolSettings,
    ShutdownSettings,
    TimeoutSettings,
    TunnelSettings,
    VersionSettings,
)
from sidecar.setting import PortRange, Setting
from sidecar.tokens.settings import AuthSettings
from sidecar.upstream.settings import UpstreamSettings


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how."""

    level: Annotated[
        str, Setting("the least that is logged", choices=("debug", "info", "warning", "error"))
    ] = "info"
    format: Annotated[str, Setting("form of a log line", choices=("json", "text"))] = "json"
    access: Annotated[
        str, Setting("which requests get an access line", choices=("off", "errors", "all"))
    ] = "errors"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one sidecar is told."""

    service: Annotated[str, Setting("the service's name, for metrics and answers")] = "unknown"
    listen: Annotated[
        tuple[str, ...],
        Setting(
            "where callers connect: HOST:PORT, [HOST]:PORT or unix:/PATH", "address", at_least=1
        ),
    ] = ("0.0.0.0:15006",)
    admin: Annotated[
        str, Setting("where probes, metrics and people connect: HOST:PORT or unix:/PATH", "address")
    ] = "0.0.0.0:15020"
    upstream: Annotated[UpstreamSettings, Setting("the application", shorthand="url")] = (
        UpstreamSettings()
    )
    opaque_ports: Annotated[
        tuple[PortRange, ...],
        Setting(
            "with upstream original-dst: ports whose bytes pass unread, and without a token",
            "port_range",
        ),
    ] = ()
    proxy_protocol: Annotated[
        ProxyProtocolSettings, Setting("the true peer behind a load balancer")
    ] = ProxyProtocolSettings()
    outbound: Annotated[OutboundSettings, Setting("the application's own calls")] = (
        OutboundSettings()
    )
    auth: Annotated[AuthSettings, Setting("tokens")] = AuthSettings()
    keyring: Annotated[
        tuple[KeySourceSettings, ...],
        Setting(
            "where keys come from, merged: a directory, a file, or a URL of a JWKS",
            name="auth.keyring",
            one_of=("path", "url", "issuer"),
            shorthand="path",
            url_shorthand="url",
        ),
    ] = ()
    version: Annotated[VersionSettings, Setting("the version endpoint")] = VersionSettings()
    dependencies: Annotated[
        dict[str, DependencySettings],
        Setting("the services that this one needs, by name", shorthand="url"),
    ] = field(default_factory=dict)
    limits: Annotated[LimitSettings, Setting("upper bounds")] = LimitSettings()
    timeouts: Annotated[TimeoutSettings, Setting("how long clients may take")] = TimeoutSettings()
    tunnel: Annotated[TunnelSettings, Setting("upgraded connections")] = TunnelSettings()
    shutdown: Annotated[ShutdownSettings, Setting("how the end goes")] = ShutdownSettings()
    log: Annotated[LogSettings, Setting("logging")] = LogSettings()
    state_dir: Annotated[
        str | None,
        Setting(
            "a directory that outlives the container: what was seen of keys is kept in it",
            "file_path",
        ),
    ] = None
