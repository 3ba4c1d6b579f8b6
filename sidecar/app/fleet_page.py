"""Serves the page of a fleet: listens, watches the fleet, and ends on SIGINT or SIGTERM.

Only wiring: the page is the console's, what it shows is ``fleet.watch``'s. Called by ``cli.fleet``.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from sidecar.admin.console import Console
from sidecar.admin.routes import build_page
from sidecar.errors import AddressInUse, ConfigError
from sidecar.fleet.watch import FleetWatch
from sidecar.net.listen import address_of, open_listener
from sidecar.setting import parse_address

#: How many ports above one that is taken are tried.
_NEIGHBOURS: Final = 20
#: Every address of the machine is no address that a browser can open.
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def open_page_listener(address: str) -> socket.socket:
    """The listening socket. Raises :class:`ConfigError`, which offers a free port where the wanted
    one is taken."""
    try:
        return open_listener(address)
    except AddressInUse:
        free = _find_free(address)
        offer = f"; {free} is free: --listen {free}" if free else "; choose another port"
        raise ConfigError(f"{address} is taken{offer}") from None


def _find_free(address: str) -> str | None:
    wanted = parse_address(address)
    if wanted.is_unix:
        return None
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    for port in range(wanted.port + 1, min(wanted.port + _NEIGHBOURS, 65_535) + 1):
        with suppress(ConfigError):
            open_listener(f"{host}:{port}").close()
            return f"{host}:{port}"
    return None


async def serve_fleet(
    watch: FleetWatch, listener: socket.socket, tell: Callable[[str], None]
) -> None:
    """Serve until a signal says to end; ``watch`` has begun. ``tell`` is given the page's URL."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    page = build_page(Console(watch.state), is_local=_is_on_loopback(listener))
    runner = web.AppRunner(page, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.run())
            tell(_url(listener))
            await ending.wait()
            watching.cancel()
    finally:
        await runner.cleanup()


def _is_on_loopback(listener: socket.socket) -> bool:
    """Whether a browser of this machine, and no other, can reach it."""
    if listener.family == socket.AF_UNIX:
        return False
    return ip_address(listener.getsockname()[0]).is_loopback


def _url(listener: socket.socket) -> str:
    address = address_of(listener)
    if address.startswith("unix:"):
        return address
    host, _, port = address.rpartition(":")
    return f"http://{_REACHED_AT.get(host, host)}:{port}/"
