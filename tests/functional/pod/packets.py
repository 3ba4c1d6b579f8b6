"""TCP over IPv4 by hand, so that packets can be sent which no kernel would make."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from itertools import count
from types import TracebackType
from typing import Final, Self

from tests.functional.client import PATIENCE_S
from tests.functional.pod.namespaces import PEERS, POD, PORT, heard, sockets_of

FIN, SYN, RST, PSH, ACK, URG = (1 << bit for bit in range(6))

_ETHERTYPE_IPV4: Final = 0x0800
_MORE_FRAGMENTS: Final = 0x2000
_FIRST_SEQUENCE: Final = 1000
#: What the first packet must bring up, where it is an ordinary one; an odd one brings up nothing.
_SHORT_WAIT_S: Final = 0.2


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2]) for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The client's end of its link to the pod."""

    def __init__(self) -> None:
        with sockets_of("client"):
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_IPV4)
            )
        self._socket.bind(("eth0", _ETHERTYPE_IPV4))
        theirs = json.loads(heard("ip", "-j", "link", "show", "client"))
        ours = json.loads(heard("ip", "-n", "client", "-j", "link", "show", "eth0"))
        macs = [bytes.fromhex(end[0]["address"].replace(":", "")) for end in (theirs, ours)]
        self._link = b"".join([*macs, _ETHERTYPE_IPV4.to_bytes(2)])
        self._ports = count(40_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def talk(
        self, flags: int, data: bytes, *, to: str = POD[4], is_fragmented: bool = False
    ) -> bytes | None:
        """Begin a connection with these flags, and say something on it: what is answered first, or
        ``None`` where no connection came about."""
        ours = next(self._ports)

        def send(flags: int, sequence: int, acknowledged: int, payload: bytes = b"") -> None:
            segment = build_segment(to, ours, flags, sequence, acknowledged, payload)
            for packet in build_packets(to, segment, is_fragmented=is_fragmented):
                self._socket.send(self._link + packet)

        is_ordinary = flags & (FIN | SYN | RST | ACK) == SYN and to == POD[4]
        send(flags, _FIRST_SEQUENCE, 0, b"" if flags & SYN else data)
        wait_s = PATIENCE_S if is_ordinary else _SHORT_WAIT_S
        said = self._segments(ours, wait_s)
        agreed = (sequence for bits, sequence, _ in said if bits & (SYN | ACK) == SYN | ACK)
        theirs = next(agreed, None)
        if theirs is None:
            return None
        send(ACK, _FIRST_SEQUENCE + 1, theirs + 1)
        send(ACK | PSH, _FIRST_SEQUENCE + 1, theirs + 1, data)
        for bits, _, payload in self._segments(ours, PATIENCE_S):
            if payload or bits & (RST | FIN):
                return payload
        return b""

    def _segments(self, ours: int, wait_s: float) -> Iterator[tuple[int, int, bytes]]:
        """Flags, sequence number and payload of what comes to that port."""
        end = time.monotonic() + wait_s
        while (rest := end - time.monotonic()) > 0:
            self._socket.settimeout(rest)
            try:
                packet = self._socket.recv(65536)[14:]
            except TimeoutError:
                return
            segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4])]
            if packet[9] == socket.IPPROTO_TCP and int.from_bytes(segment[2:4]) == ours:
                sequence, _, offset, flags = struct.unpack("!IIBB", segment[4:14])
                yield flags, sequence, segment[(offset >> 4) * 4 :]


def build_segment(
    to: str, ours: int, flags: int, sequence: int, acknowledged: int, payload: bytes
) -> bytes:
    """RFC 9293, section 3.1."""
    head = struct.pack("!HHIIBBH", ours, PORT, sequence, acknowledged, 5 << 4, flags, 65535)
    addresses = socket.inet_aton(PEERS["client"][4]) + socket.inet_aton(to)
    size = len(head) + 4 + len(payload)
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, size)
    found = checksum(pseudo + head + b"\0\0\0\0" + payload)
    return head + struct.pack("!HH", found, 0) + payload


def build_packets(to: str, segment: bytes, *, is_fragmented: bool) -> Iterator[bytes]:
    """RFC 791, section 3.1; the first fragment is as small as one can be."""
    pieces = [segment[:8], segment[8:]] if is_fragmented else [segment]
    for index, piece in enumerate(pieces):
        is_last = index == len(pieces) - 1
        place = index | (0 if is_last else _MORE_FRAGMENTS)  # in units of eight bytes
        addresses = socket.inet_aton(PEERS["client"][4]) + socket.inet_aton(to)
        head = struct.pack(
            "!BBHHHBBH", 0x45, 0, 20 + len(piece), 7, place, 64, socket.IPPROTO_TCP, 0
        )
        found = struct.pack("!H", checksum(head + addresses))
        yield head[:10] + found + addresses + piece
