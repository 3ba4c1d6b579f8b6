"""The header with which a load balancer says whose connection it passes on (PROXY protocol).

Sections are those of HAProxy's ``proxy-protocol.txt`` (revision of 2020). Accepts exactly what it
allows, and no more bytes than a header can have; whom to believe is decided by ``proxy.doorway``,
which calls this with what has come so far, and again when more has.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from sidecar.errors import BadProxyHeader

_V1_START: Final = b"PROXY "
_V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"  # section 2.2

#: The longest line of version 1, its CRLF included (section 2.1).
MAX_V1_BYTES: Final = 107
#: The most that a header of version 2 may have here: addresses, and room for TLVs such as a
#: certificate's names. Its length field could say 65,535.
MAX_V2_BYTES: Final = 4096

_V1: Final = re.compile(
    rb"PROXY (?:(TCP[46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39})"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})|UNKNOWN(?: [\x20-\x7e]*)?)\r\n"
)
_V2_HEAD: Final = struct.Struct("!12sBBH")
_V2_LENGTHS: Final = {0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216}  # of the addresses, by family
_STREAM: Final = 0x1


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """``peer`` is the client's IP address as text; ``None`` where the connection is the load
    balancer's own, such as a health check, or of a kind that has no IP address.

    ``size`` is how many bytes the header had: what follows is the client's.
    """

    peer: bytes | None
    size: int


def parse_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of ``data``; ``None`` while it is not complete.

    Raises :class:`BadProxyHeader` for what can never become one.
    """
    if data.startswith(_V2_START):
        return _parse_v2(data)
    if data.startswith(_V1_START):
        return _parse_v1(data)
    if _V1_START.startswith(data) or _V2_START.startswith(data):
        return None
    raise BadProxyHeader("The connection does not begin with a PROXY header.")


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\n", 0, MAX_V1_BYTES)
    if end < 0:
        if len(data) >= MAX_V1_BYTES:
            raise BadProxyHeader("The PROXY header line is too long.")
        return None
    match = _V1.fullmatch(data, 0, end + 1)
    if match is None:
        raise BadProxyHeader("The PROXY header line is out of grammar.")
    protocol, source, destination, *ports = match.groups()
    if protocol is None:  # UNKNOWN: the receiver must ignore the rest of the line
        return ProxyHeader(None, end + 1)
    is_ipv6 = protocol == b"TCP6"
    peer = _address(source, is_ipv6=is_ipv6)
    _address(destination, is_ipv6=is_ipv6)
    if any(int(port) > 65535 for port in ports):
        raise BadProxyHeader("The PROXY header has a port above 65535.")
    return ProxyHeader(peer, end + 1)


def _address(text: bytes, *, is_ipv6: bool) -> bytes:
    try:
        return _text(IPv6Address(text.decode()) if is_ipv6 else IPv4Address(text.decode()))
    except AddressValueError:
        raise BadProxyHeader("The PROXY header has an address that is none.") from None


def _parse_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD.size:
        return None
    _, command, kind, length = _V2_HEAD.unpack_from(data)
    size = _V2_HEAD.size + length
    if command not in (0x20, 0x21):
        raise BadProxyHeader("The PROXY header has a version or command that is not known.")
    if size > MAX_V2_BYTES:
        raise BadProxyHeader("The PROXY header is too long.")
    is_local, family = command == 0x20, kind >> 4
    if not is_local and (family not in _V2_LENGTHS or length < _V2_LENGTHS[family]):
        raise BadProxyHeader("The PROXY header is of an address family that is not known.")
    if not is_local and family in (1, 2) and kind & 0xF != _STREAM:
        raise BadProxyHeader("The PROXY header is not about a TCP connection.")
    if len(data) < size:
        return None
    if is_local or family not in (1, 2):
        return ProxyHeader(None, size)
    start = _V2_HEAD.size
    if family == 1:
        return ProxyHeader(_text(IPv4Address(data[start : start + 4])), size)
    return ProxyHeader(_text(IPv6Address(data[start : start + 16])), size)


def _text(address: IPv4Address | IPv6Address) -> bytes:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address).encode("ascii")
