"""Settings about where connections come from and go that contradict each other."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.config.addresses import asked_url, own_ports
from sidecar.config.checks import find_contradictions
from sidecar.config.load import load_settings
from sidecar.config.settings import Settings
from sidecar.proxy.settings import (
    OutboundSettings,
    ProxyProtocolSettings,
    VersionSettings,
)
from sidecar.setting import PortRange
from sidecar.tokens.settings import AuthSettings
from sidecar.upstream.settings import UpstreamSettings

PORTS = (PortRange(8000, 8010),)
OFF = AuthSettings(mode="off")


def build(**changes: Any) -> Settings:
    return Settings(auth=OFF, **changes)


def original_dst(**changes: Any) -> UpstreamSettings:
    return UpstreamSettings(url="original-dst", **changes)


@pytest.mark.parametrize(
    "settings",
    [
        build(upstream=original_dst(ports=PORTS)),
        build(upstream=original_dst(host="destination")),
        build(upstream=original_dst(), opaque_ports=(PortRange(5432, 5432),)),
        build(upstream=original_dst(ports=PORTS, fallback="http://127.0.0.1:8000")),
        build(upstream=original_dst(ports=PORTS), version=VersionSettings(verify="/version")),
        build(outbound=OutboundSettings(listen=("127.0.0.1:15001", "[::1]:15001"))),
        build(proxy_protocol=ProxyProtocolSettings(networks=("10.0.0.0/8", "unix"))),
    ],
)
def test_what_makes_sense_contradicts_nothing(settings: Settings) -> None:
    assert find_contradictions(settings) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"upstream": original_dst()}, "upstream.ports: is needed"),
        ({"upstream": UpstreamSettings(ports=PORTS)}, "upstream.ports: means nothing"),
        ({"upstream": UpstreamSettings(host="destination")}, "upstream.host: means nothing"),
        ({"upstream": UpstreamSettings(fallback="http://a")}, "upstream.fallback: means nothing"),
        ({"opaque_ports": PORTS}, "opaque_ports: means nothing"),
        (
            {"upstream": original_dst(ports=(PortRange(15000, 15010),))},
            "upstream.ports: 15000-15010 has 15006, which is this sidecar's own",
        ),
        (
            {"upstream": original_dst(), "opaque_ports": (PortRange(15020, 15020),)},
            "opaque_ports: 15020 has 15020, which is this sidecar's own",
        ),
        (
            {"upstream": original_dst(ports=PORTS), "opaque_ports": (PortRange(8010, 8020),)},
            "opaque_ports: 8010-8020 is in upstream.ports (8000-8010) too",
        ),
        (
            {"upstream": original_dst(ports=PORTS, fallback="http://127.0.0.1:15006")},
            "upstream.fallback: http://127.0.0.1:15006 is this sidecar's own listen address",
        ),
        (
            {
                "upstream": original_dst(host="destination"),
                "version": VersionSettings(verify="/version"),
            },
            "version.verify: the application has no one port",
        ),
        (
            {"outbound": OutboundSettings(listen=("0.0.0.0:15001",))},
            "outbound.listen: 0.0.0.0:15001 is not on loopback",
        ),
        (
            {"outbound": OutboundSettings(listen=("unix:/run/out.sock",))},
            "outbound.listen: unix:/run/out.sock is not on loopback",
        ),
        (
            {"outbound": OutboundSettings(listen=("127.0.0.1:15006",))},
            "outbound.listen: 0.0.0.0:15006 and 127.0.0.1:15006",
        ),
        (
            {"proxy_protocol": ProxyProtocolSettings(networks=("::/0",))},
            "proxy_protocol.from: ::/0 is everybody",
        ),
    ],
)
def test_what_cannot_work_is_named(changes: dict[str, Any], problem: str) -> None:
    (found,) = find_contradictions(build(**changes))
    assert found.startswith(problem)


def test_the_upstream_may_be_one_word(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text("upstream: original-dst\nopaque_ports: 5432\nauth: {mode: off}\n")
    loaded = load_settings({}, {}, file)
    assert loaded.settings.upstream.is_original_dst
    assert loaded.origins["upstream.url"] == f"file {file}:1"


@pytest.mark.parametrize(
    ("upstream", "url"),
    [
        (UpstreamSettings(url="unix:/a"), "unix:/a"),
        (original_dst(ports=PORTS), "http://127.0.0.1:8000"),
        (original_dst(ports=PORTS, fallback="http://127.0.0.1:9"), "http://127.0.0.1:9"),
        (original_dst(host="destination", ports=PORTS), None),
    ],
)
def test_where_the_application_is_asked(upstream: UpstreamSettings, url: str | None) -> None:
    assert asked_url(build(upstream=upstream)) == url


def test_our_own_ports_are_all_that_we_listen_on() -> None:
    settings = build(
        listen=("0.0.0.0:1", "unix:/a"),
        admin="127.0.0.1:0",
        outbound=OutboundSettings(("[::1]:3",)),
    )
    assert own_ports(settings) == {1, 3}
