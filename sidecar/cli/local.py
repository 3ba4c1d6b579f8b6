"""How the commands that speak to a sidecar on this machine find it and ask it.

They run inside its container, some of them every few seconds, so this imports almost nothing, and
reads the configuration file only where no flag and no variable says the admin address.
"""

import socket
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from sidecar.setting import Address, parse_address

_DEFAULT_ADMIN = "0.0.0.0:15020"
# What a server listens on to be reached at any address, and where it is then reached from here.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}

_OPTIONS = (
    click.option(
        "--admin",
        envvar="SIDECAR_ADMIN",
        metavar="ADDRESS",
        help=f"Its admin address; default: {_DEFAULT_ADMIN}. [SIDECAR_ADMIN]",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        envvar="SIDECAR_CONFIG",
        metavar="FILE",
        help="The YAML file that says the admin address, where nothing else does. [SIDECAR_CONFIG]",
    ),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0.1),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="For how long an answer is waited for.",
    ),
)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which sidecar is meant, and how long it may take to answer."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


def admin_of(admin: str | None, config: Path | None) -> str:
    """The admin address as text. Raises :class:`ConfigError` for a file that cannot be read."""
    if admin is not None:
        return admin
    return _DEFAULT_ADMIN if config is None else _written_in(config)


def _written_in(config: Path) -> str:
    from sidecar.cli.flags import load_from

    return load_from(config, {}).settings.admin


def address_of(admin: str) -> Address:
    """The same as an address. Raises :class:`click.UsageError` where it is none."""
    try:
        return parse_address(admin)
    except ValueError as problem:
        raise click.UsageError(f"the admin address {admin!r} {problem}") from None


def fetch_status(address: Address, request: str, timeout_s: float) -> int:
    """The status that a request such as ``GET /live`` is answered with.

    Raises OSError, or ValueError for what is not HTTP.
    """
    head = f"{request} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    with _connect(address, timeout_s) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as answer:
            version, status, *_ = answer.readline(256).split(b" ", 2)
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP answer")
    return int(status)


def explain(problem: Exception) -> str:
    """Why nothing came of it, in a few words."""
    return getattr(problem, "strerror", None) or "no answer"


def _connect(address: Address, timeout_s: float) -> socket.socket:
    if not address.is_unix:
        host = _LOOPBACK.get(address.host, address.host)
        return socket.create_connection((host, address.port), timeout_s)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    try:
        connection.connect(address.path)
    except OSError:
        connection.close()
        raise
    return connection
