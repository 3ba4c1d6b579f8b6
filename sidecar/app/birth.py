"""Whether the application accepted connections already when the sidecar began to watch it.

If it did not, nothing was handed out before: it is watched from birth. Anything else than a plain
refusal (an answer, silence, an address that nobody can tell) counts as "it did".

Blocks for a moment; called by ``app.memory`` before the loop runs, once our own port is open, so
that from then on whoever connects to us is watched.
"""

import errno
import socket
from collections.abc import Iterator
from typing import Final

from sidecar.config.settings import Settings
from sidecar.setting import Address, parse_upstream_url
from sidecar.upstream.settings import UpstreamSettings

_PATIENCE_S: Final = 1.0
_LOOPBACK: Final = ("127.0.0.1", "::1")
#: More ports than these are not tried one by one.
MAX_PORTS: Final = 64
# What says for certain that nobody listens; the last two: this machine has no such address at all.
_REFUSALS: Final = frozenset(
    (errno.ECONNREFUSED, errno.ENOENT, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
)


def is_accepting(settings: Settings) -> bool:
    """Whether anybody may have been served by the application before now."""
    addresses = _addresses(settings.upstream)
    return addresses is None or any(map(_accepts, addresses))


def _addresses(upstream: UpstreamSettings) -> list[Address] | None:
    """Everywhere where the application may listen; None = nobody can tell."""
    if not upstream.is_original_dst:
        return [parse_upstream_url(upstream.url)]
    ports = list(_ports(upstream))
    if upstream.host != "loopback" or not ports or len(ports) > MAX_PORTS:
        return None
    addresses = [Address(host, port) for port in ports for host in _LOOPBACK]
    if upstream.fallback is not None:
        addresses.append(parse_upstream_url(upstream.fallback))
    return addresses


def _ports(upstream: UpstreamSettings) -> Iterator[int]:
    for ports in upstream.ports:
        yield from range(ports.first, min(ports.last, ports.first + MAX_PORTS) + 1)


def _accepts(address: Address) -> bool:
    if address.is_unix:
        return _connects(socket.AF_UNIX, address.path)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return True
    return any(_connects(family, name) for family, _, _, _, name in found)


def _connects(family: int, name: object) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PATIENCE_S)
            probe.connect(name)  # type: ignore[arg-type]
    except OSError as error:
        return error.errno not in _REFUSALS
    return True
