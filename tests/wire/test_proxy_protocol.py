"""The PROXY header: what the specification allows, byte by byte, and nothing else."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import BadProxyHeader
from sidecar.wire.proxy_protocol import MAX_V1_BYTES, MAX_V2_BYTES, ProxyHeader, parse_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
ports = st.integers(0, 65535)


def v2(command: int, kind: int, payload: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(payload)) + payload


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A good header of either version, and the peer that it names."""
    source = draw(st.ip_addresses())
    destination = draw(st.ip_addresses(v=source.version))
    source_port, destination_port = draw(ports), draw(ports)
    mapped = getattr(source, "ipv4_mapped", None)
    peer = str(mapped or source).encode()
    if draw(st.booleans()):
        line = f"PROXY TCP{source.version} {source} {destination} {source_port} {destination_port}"
        return line.encode() + b"\r\n", peer
    addresses = source.packed + destination.packed
    payload = addresses + struct.pack("!HH", source_port, destination_port)
    payload += draw(st.binary(max_size=200))  # TLVs
    return v2(0x21, 0x11 if source.version == 4 else 0x21, payload), peer


@given(headers(), st.binary(max_size=64))
def test_a_good_header_names_its_peer_and_ends_where_the_client_begins(
    header: tuple[bytes, bytes], rest: bytes
) -> None:
    data, peer = header
    assert parse_proxy_header(data + rest) == ProxyHeader(peer, len(data))


@given(headers())
def test_a_beginning_of_a_good_header_is_waited_for(header: tuple[bytes, bytes]) -> None:
    data, _ = header
    assert all(parse_proxy_header(data[:size]) is None for size in range(len(data)))


@given(
    st.binary(max_size=300)
    | st.binary(max_size=300).map(lambda rest: b"PROXY " + rest)
    | st.binary(max_size=300).map(lambda rest: SIGNATURE + rest)
)
def test_whatever_comes_is_a_header_or_no_header_or_not_complete(data: bytes) -> None:
    try:
        header = parse_proxy_header(data)
    except BadProxyHeader:
        return
    if header is None:
        assert len(data) < MAX_V2_BYTES
    else:
        assert 0 < header.size <= len(data)
        if header.peer is not None:
            ipaddress.ip_address(header.peer.decode())


@given(headers(), st.data())
def test_nothing_that_follows_changes_what_was_decided(
    header: tuple[bytes, bytes], data: st.DataObject
) -> None:
    raw, _ = header
    index = data.draw(st.integers(0, len(raw) - 1))
    damaged = raw[:index] + bytes((data.draw(st.integers(0, 255)),)) + raw[index + 1 :]
    decided = _outcome(damaged)
    if decided != "waits":
        assert _outcome(damaged + data.draw(st.binary(max_size=32))) == decided


def _outcome(data: bytes) -> object:
    try:
        return parse_proxy_header(data) or "waits"
    except BadProxyHeader:
        return "refused"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY " + b"x" * MAX_V1_BYTES,
        v2(0x11, 0x11, bytes(12)),  # version 1 in the form of version 2
        v2(0x22, 0x11, bytes(12)),  # a command that is none
        v2(0x21, 0x12, bytes(12)),  # UDP
        v2(0x21, 0x11, bytes(11)),  # shorter than its addresses
        v2(0x21, 0x21, bytes(35)),
        v2(0x21, 0x41, bytes(12)),  # a family that is none
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MAX_V2_BYTES),
    ],
)
def test_what_can_never_become_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        parse_proxy_header(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 anything 1 2\r\n",
        v2(0x20, 0x00, b""),
        v2(0x20, 0x11, bytes(12)),
        v2(0x20, 0xFF, b"whatever"),
        v2(0x21, 0x00, b""),
        v2(0x21, 0x31, bytes(216)),  # of a unix socket
    ],
)
def test_a_connection_without_an_ip_peer_is_the_load_balancers_own(data: bytes) -> None:
    assert parse_proxy_header(data + b"GET") == ProxyHeader(None, len(data))
