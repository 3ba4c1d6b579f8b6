"""Where a redirected connection was going before the kernel redirected it.

Netfilter's REDIRECT and DNAT keep that beside the connection; two socket options of Linux tell
(``SO_ORIGINAL_DST``, ``IP6T_SO_ORIGINAL_DST``). Says what the kernel says and judges nothing: where
a connection may be sent on to is for ``proxy.doorway`` and ``proxy.outbound``, which are given
these functions by ``app.build``, and anything else by tests.
"""

import socket
import struct
import sys
from ipaddress import IPv6Address
from typing import Final, Protocol

from sidecar.setting import Address

#: linux/netfilter_ipv4.h; IP6T_SO_ORIGINAL_DST of ip6_tables.h is the same number.
SO_ORIGINAL_DST: Final = 80
_SOCKADDR_IN: Final = struct.Struct("!2xH4s8x")
_SOCKADDR_IN6: Final = struct.Struct("!2xH4x16s4s")  # the zone is in the host's byte order


class Accepted(Protocol):
    """What is asked of an accepted connection's socket."""

    @property
    def family(self) -> int: ...
    def getsockname(self) -> tuple[object, ...] | str | bytes: ...
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def original_destination(accepted: Accepted) -> Address | None:
    """The address that the peer connected to; ``None`` where it is the one that we listen on, so
    that nobody redirected the connection, or where the kernel does not know."""
    if accepted.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    name = accepted.getsockname()
    own = Address(plain_ip(str(name[0])), int(str(name[1])))
    found = _ask_ipv6(accepted) if ":" in own.host else _ask_ipv4(accepted)
    if found is None or (plain_ip(found.host), found.port) == (own.host, own.port):
        return None
    return found


def _ask_ipv4(accepted: Accepted) -> Address | None:
    try:
        told = accepted.getsockopt(socket.IPPROTO_IP, SO_ORIGINAL_DST, _SOCKADDR_IN.size)
    except OSError:  # not tracked, or a kernel without netfilter
        return None
    port, packed = _SOCKADDR_IN.unpack(told)
    return Address(socket.inet_ntoa(packed), port)


def _ask_ipv6(accepted: Accepted) -> Address | None:
    try:
        told = accepted.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, _SOCKADDR_IN6.size)
    except OSError:
        return None
    port, packed, zone = _SOCKADDR_IN6.unpack(told)
    address = IPv6Address(packed)
    number = int.from_bytes(zone, sys.byteorder)
    # Only a link-local address means nothing without its zone (RFC 4007, section 6).
    suffix = f"%{number}" if number and address.is_link_local else ""
    return Address(f"{address}{suffix}", port)


def plain_ip(host: str) -> str:
    """An IP address without its zone, and as IPv4 where it is IPv4 in IPv6 (RFC 4291, 2.5.5.2)."""
    host = host.partition("%")[0]
    if ":" not in host:
        return host
    mapped = IPv6Address(host).ipv4_mapped
    return str(mapped or IPv6Address(host))


def is_of_this_host(host: str) -> bool:
    """Whether an IP address is one of this host's own: the kernel lets only those be bound.

    One that is link-local passes: no router brought it here (RFC 4291, section 2.5.6).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6 and IPv6Address(host).is_link_local:
        return True
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return host not in ("0.0.0.0", "::")
