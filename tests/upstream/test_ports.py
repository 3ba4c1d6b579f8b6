"""Where redirected connections may go, and that nobody makes the sidecar remember ports."""

import asyncio
import socket
from typing import Any

import pytest

from sidecar.errors import Draining, NotIntercepted, PortNotServed
from sidecar.setting import Address, PortRange
from sidecar.upstream.ports import ApplicationPorts, Surroundings
from sidecar.upstream.settings import UpstreamSettings

OWN_PORTS = frozenset((15006, 15020))
HERE = "10.0.0.5"
LISTED = PortRange(8000, 8010)


def build(
    *, opaque: tuple[PortRange, ...] = (), asked_url: str | None = None, **settings: Any
) -> ApplicationPorts:
    return ApplicationPorts(
        UpstreamSettings(url="original-dst", **{"ports": (LISTED,), **settings}),
        opaque,
        asyncio.get_running_loop(),
        Surroundings(OWN_PORTS, lambda host: host in (HERE, "fd00::5", "127.0.0.1", "::1")),
        asked_url,
    )


async def test_a_listed_port_is_reached_on_loopback_of_the_same_family_first() -> None:
    ports = build()
    assert ports.addresses(Address(HERE, 8000)) == (
        Address("127.0.0.1", 8000),
        Address("::1", 8000),
    )
    assert ports.addresses(Address("fd00::5", 8000))[0] == Address("::1", 8000)


async def test_the_very_address_is_reached_where_that_is_wanted() -> None:
    ports = build(host="destination")
    assert ports.addresses(Address(HERE, 8000)) == (Address(HERE, 8000),)


async def test_each_destination_has_one_way() -> None:
    ports = build()
    way = ports.reach(Address(HERE, 8000))
    assert ports.reach(Address(HERE, 8000)) is way
    assert ports.reach(Address(HERE, 8001)) is not way


@pytest.mark.parametrize("host", ["loopback", "destination"])
@pytest.mark.parametrize(
    "destination",
    [
        Address(HERE, 8011),
        Address(HERE, 22),
        Address(HERE, 15006),
        Address(HERE, 15020),
        Address("198.51.100.7", 8000),
        Address(HERE, 5432),
    ],
)
async def test_nothing_else_is_reached(host: str, destination: Address) -> None:
    ports = build(host=host, opaque=(PortRange(5432, 5432),))
    for ask in (ports.admit, ports.reach):
        with pytest.raises(PortNotServed):
            ask(destination)


async def test_without_a_list_every_port_of_the_address_is_reached_but_ours() -> None:
    ports = build(host="destination", ports=(), opaque=(PortRange(5432, 5432),))
    ports.admit(Address(HERE, 22))
    for port in (15006, 5432):
        with pytest.raises(PortNotServed):
            ports.admit(Address(HERE, port))


async def test_without_a_list_no_port_of_loopback_is_reached() -> None:
    ports = build(ports=())
    with pytest.raises(PortNotServed):
        ports.admit(Address(HERE, 8000))


async def test_a_connection_that_was_not_redirected_goes_to_the_fallback_or_nowhere() -> None:
    for ask in (build().admit, build().reach):
        with pytest.raises(NotIntercepted):
            ask(None)
    ports = build(fallback="http://127.0.0.1:9000")
    ports.admit(None)
    assert ports.reach(None) is ports.asked


async def test_asking_alone_remembers_nothing() -> None:
    ports = build()
    ports.admit(Address(HERE, 8000))
    assert "0 in use" in repr(ports)


async def test_a_way_that_nobody_uses_is_forgotten_and_one_in_use_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ports = build(ports=(PortRange(port, port), LISTED))
        used = ports.reach(Address(HERE, port))
        connection = await used.acquire(must_be_fresh=False)
        for number in range(8000, 8011):
            ports.reach(Address(HERE, number))
        ports.sweep()
        ports.sweep()
        assert "1 in use" in repr(ports)
        assert ports.reach(Address(HERE, port)) is used
        connection.end()
        await asyncio.sleep(0)
        ports.close()


async def test_after_the_end_there_are_no_new_ways() -> None:
    ports = build()
    ports.close()
    with pytest.raises(Draining):
        ports.reach(Address(HERE, 8000))


@pytest.mark.parametrize(
    ("destination", "is_so"),
    [
        (Address(HERE, 15006), True),
        (Address("127.0.0.1", 15020), True),
        (Address("0.0.0.0", 15020), True),
        (Address("::", 15020), True),
        (Address(HERE, 8000), False),
        (Address("198.51.100.7", 15006), False),  # another pod's sidecar
    ],
)
def test_a_destination_is_the_sidecar_itself_or_not(destination: Address, is_so: bool) -> None:
    surroundings = Surroundings(OWN_PORTS, lambda host: host in (HERE, "127.0.0.1"))
    assert surroundings.is_ourselves(destination) is is_so
