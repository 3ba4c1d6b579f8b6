"""Where callers come in and where they are sent on: which of those settings contradict each other.

Nothing that the sidecar listens on may be listened on twice, or be where it sends what it receives.
Called by ``config.checks``.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from sidecar.config.settings import Settings
from sidecar.setting import Address, parse_address, parse_upstream_url

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})


def find_addresses_used_twice(settings: Settings) -> Iterator[str]:
    """Listeners that would take each other's place."""
    for (path, text), (other_path, other_text) in combinations(_listeners(settings), 2):
        if _is_same_place(parse_address(text), parse_address(other_text)):
            where = path if path == other_path else f"{path} and {other_path}"
            both = text if text == other_text else f"{text} and {other_text}"
            yield f"{other_path}: {both} of {where} cannot be opened twice; choose another port"


def find_upstream_that_is_ourselves(settings: Settings) -> Iterator[str]:
    """An application's address that is one of our own."""
    upstream = settings.upstream
    for setting, url in (("url", upstream.url), ("fallback", upstream.fallback)):
        if url is None or (setting == "url" and upstream.is_original_dst):
            continue
        for path, text in _listeners(settings):
            if _reaches(parse_upstream_url(url), parse_address(text)):
                yield (
                    f"upstream.{setting}: {url} is this sidecar's own {path} address"
                    f" ({text}): every request would come back to it; name the application's"
                )


def find_ports_without_sense(settings: Settings) -> Iterator[str]:
    """Ports that are served by the original destination, and what says so."""
    upstream, opaque = settings.upstream, settings.opaque_ports
    if not upstream.is_original_dst:
        said = {
            "upstream.host": upstream.host != "loopback",
            "upstream.ports": bool(upstream.ports),
            "upstream.fallback": upstream.fallback is not None,
            "opaque_ports": bool(opaque),
        }
        for path in (path for path, is_said in said.items() if is_said):
            yield f"{path}: means nothing unless upstream is original-dst; leave it out"
        return
    if upstream.host == "loopback" and not upstream.ports and not opaque:
        yield (
            "upstream.ports: is needed with original-dst on loopback: without it every port of this"
            " machine's loopback could be reached from outside; list the application's"
        )
    own = own_ports(settings)
    for path, ranges in (("upstream.ports", upstream.ports), ("opaque_ports", opaque)):
        for ports in ranges:
            for port in sorted(port for port in own if port in ports):
                yield f"{path}: {ports} has {port}, which is this sidecar's own; leave it out"
    for ports in opaque:
        for other in upstream.ports:
            if ports.overlaps(other):
                yield (
                    f"opaque_ports: {ports} is in upstream.ports ({other}) too: its requests are"
                    " either verified or not looked at; list it once"
                )
    if settings.version.verify is not None and asked_url(settings) is None:
        yield (
            "version.verify: the application has no one port with original-dst; list its first in"
            " upstream.ports and set upstream.host to loopback, or set upstream.fallback"
        )


def asked_url(settings: Settings) -> str | None:
    """The URL at which the sidecar itself asks the application something; None where there is no
    telling."""
    upstream = settings.upstream
    if not upstream.is_original_dst:
        return upstream.url
    if upstream.fallback is not None:
        return upstream.fallback
    if upstream.host == "loopback" and upstream.ports:
        return f"http://127.0.0.1:{upstream.ports[0].first}"
    return None


def find_outbound_seen_from_outside(settings: Settings) -> Iterator[str]:
    """A listener for the application's own calls that others could reach."""
    for text in settings.outbound.listen:
        address = parse_address(text)
        if not (address.host == "::1" or address.host.startswith("127.")):
            yield (
                f"outbound.listen: {text} is not on loopback, so others than the application could"
                " call through it; write 127.0.0.1 or [::1]"
            )


def find_trusted_by_everyone(settings: Settings) -> Iterator[str]:
    """Networks of the PROXY protocol that contain every peer."""
    for text in settings.proxy_protocol.networks:
        if text.endswith("/0"):
            yield (
                f"proxy_protocol.from: {text} is everybody, so every caller could say that it is"
                " another; list the load balancers' networks"
            )


def own_ports(settings: Settings) -> frozenset[int]:
    """Every TCP port that this sidecar is told to listen on."""
    addresses = [parse_address(text) for _, text in _listeners(settings)]
    return frozenset(address.port for address in addresses if address.port)


def _listeners(settings: Settings) -> list[tuple[str, str]]:
    return [
        *(("listen", text) for text in settings.listen),
        ("admin", settings.admin),
        *(("outbound.listen", text) for text in settings.outbound.listen),
    ]


def _is_same_place(one: Address, other: Address) -> bool:
    """Whether the second bind would fail; ``[::]`` takes the addresses of IPv4 as well."""
    if one.is_unix or other.is_unix:
        return one.path == other.path
    if one.port != other.port or one.port == 0:
        return False
    if one.host.lower() == other.host.lower():
        return True
    if "::" in {one.host, other.host}:
        return True
    is_ipv4 = ":" not in one.host and ":" not in other.host
    return is_ipv4 and (_is_wildcard(one) or _is_wildcard(other))


def _reaches(upstream: Address, listener: Address) -> bool:
    if upstream.is_unix or listener.is_unix:
        return upstream.path == listener.path
    if upstream.port != listener.port:
        return False
    if upstream.host.lower() == listener.host.lower():
        return True
    if not _is_own_host(upstream.host):
        return False
    return _is_wildcard(listener) or "localhost" in {upstream.host.lower(), listener.host.lower()}


def _is_wildcard(address: Address) -> bool:
    return address.host in _WILDCARDS


def _is_own_host(host: str) -> bool:
    return host.lower() in {"localhost", "::1", *_WILDCARDS} or host.startswith("127.")
