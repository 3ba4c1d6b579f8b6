"""What the kernel says of a redirected connection, read from sockets that say it."""

import socket
import struct
import sys

import pytest

from sidecar.net.original_dst import (
    SO_ORIGINAL_DST,
    is_of_this_host,
    original_destination,
    plain_ip,
)
from sidecar.setting import Address


class Accepted:
    """A socket that was accepted on ``own``, and what the kernel knows of it."""

    def __init__(self, family: int, own: tuple[object, ...] | str, told: bytes | None) -> None:
        self.family = family
        self._own = own
        self._told = told
        self.asked: list[tuple[int, int, int]] = []

    def getsockname(self) -> tuple[object, ...] | str:
        return self._own

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        self.asked.append((level, option, size))
        if self._told is None:
            raise FileNotFoundError
        return self._told


def sockaddr(host: str, port: int, zone: int = 0) -> bytes:
    if ":" not in host:
        return struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H4s8x", port, socket.inet_aton(host)
        )
    packed = socket.inet_pton(socket.AF_INET6, host)
    head = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16s", port, 0, packed)
    return head + zone.to_bytes(4, sys.byteorder)


def ipv4(told: bytes | None, own: tuple[object, ...] = ("10.0.0.5", 15006)) -> Accepted:
    return Accepted(socket.AF_INET, own, told)


def ipv6(told: bytes | None, own: tuple[object, ...] = ("fd00::5", 15006, 0, 0)) -> Accepted:
    return Accepted(socket.AF_INET6, own, told)


def test_the_destination_of_a_redirected_connection_is_told() -> None:
    accepted = ipv4(sockaddr("10.0.0.5", 8000))
    assert original_destination(accepted) == Address("10.0.0.5", 8000)
    assert accepted.asked == [(socket.IPPROTO_IP, SO_ORIGINAL_DST, 16)]


def test_the_same_for_ipv6() -> None:
    accepted = ipv6(sockaddr("fd00::5", 8000))
    assert original_destination(accepted) == Address("fd00::5", 8000)
    assert accepted.asked == [(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)]


def test_ipv4_on_a_listener_of_both_is_asked_for_as_ipv4() -> None:
    accepted = ipv6(sockaddr("10.0.0.5", 8000), ("::ffff:10.0.0.5", 15006, 0, 0))
    assert original_destination(accepted) == Address("10.0.0.5", 8000)
    assert accepted.asked[0][0] == socket.IPPROTO_IP


@pytest.mark.parametrize(
    "accepted",
    [
        ipv4(None),
        ipv6(None),
        ipv4(sockaddr("10.0.0.5", 15006)),
        ipv6(sockaddr("fd00::5", 15006)),
        ipv6(sockaddr("fe80::1", 15006, 2), ("fe80::1%eth0", 15006, 0, 2)),
        ipv6(sockaddr("10.0.0.5", 15006), ("::ffff:10.0.0.5", 15006, 0, 0)),
        Accepted(socket.AF_UNIX, "/run/in.sock", sockaddr("10.0.0.5", 8000)),
    ],
)
def test_a_connection_that_nobody_redirected_has_none(accepted: Accepted) -> None:
    assert original_destination(accepted) is None


def test_a_link_local_address_keeps_its_zone() -> None:
    told = sockaddr("fe80::1", 8000, 3)
    assert original_destination(ipv6(told)) == Address("fe80::1%3", 8000)


def test_a_real_socket_that_nobody_redirected_has_none() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert original_destination(accepted) is None


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("198.51.100.7", False),
        ("2001:db8::1", False),
        ("fe80::1%3", True),
        ("0.0.0.0", False),
        ("::", False),
    ],
)
def test_an_address_is_of_this_host_or_not(host: str, is_own: bool) -> None:
    assert is_of_this_host(host) is is_own


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("::ffff:a00:5", "10.0.0.5"),
        ("fe80::1%eth0", "fe80::1"),
        ("FD00:0::5", "fd00::5"),
    ],
)
def test_an_address_has_one_spelling(host: str, plain: str) -> None:
    assert plain_ip(host) == plain
