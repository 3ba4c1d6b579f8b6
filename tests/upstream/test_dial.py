"""Dialling one of several addresses: in order, in time, and from an address that is told."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from sidecar.errors import UpstreamRefused
from sidecar.setting import Address
from sidecar.upstream.dial import dial
from sidecar.upstream.opaque import OpaqueEnd


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listener:
        listener.settimeout(20)
        yield listener


def address_of(listener: socket.socket) -> Address:
    return Address(*listener.getsockname()[:2])


@pytest.fixture
def closed() -> Address:
    """Where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return address_of(listener)


async def test_our_own_address_is_told_before_anybody_has_accepted(
    listener: socket.socket,
) -> None:
    told: list[Address] = []
    end = OpaqueEnd(asyncio.get_running_loop())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(dial(end, (address_of(listener),), 20, note_own_end=told.append))
        await asyncio.sleep(0)  # its first step, and no more
        assert len(told) == 1
    accepted, peer = listener.accept()
    accepted.close()
    assert told == [Address(*peer[:2])]
    assert end.transport is not None
    ours = end.transport.get_extra_info("socket")
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    end.close()


async def test_the_next_address_is_dialled_where_the_first_refuses(
    listener: socket.socket, closed: Address
) -> None:
    end = OpaqueEnd(asyncio.get_running_loop())
    await dial(end, (closed, address_of(listener)), 20)
    assert end.transport is not None
    assert end.transport.get_extra_info("peername") == listener.getsockname()
    end.close()


async def test_where_all_refuse_it_is_said(closed: Address) -> None:
    with pytest.raises(UpstreamRefused):
        await dial(OpaqueEnd(asyncio.get_running_loop()), (closed,), 20)
