"""``sidecar healthcheck``: asks a sidecar on this machine whether it lives.

For container runtimes, since the image has no other HTTP client. It is called every few seconds for
as long as the container runs, so it imports almost nothing, and reads the configuration file only
where no flag and no variable says the admin address.
"""

import socket
from pathlib import Path

import click

from sidecar.cli.help import Command, Example
from sidecar.cli.main import DOES_NOT_HOLD
from sidecar.setting import Address, parse_address

_DEFAULT_ADMIN = "0.0.0.0:15020"
# What a server listens on to be reached at any address, and where it is then reached from here.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@click.command(
    "healthcheck",
    cls=Command,
    examples=(
        Example("In the container of the sidecar:", "sidecar healthcheck"),
        Example(
            "One that listens elsewhere:", "sidecar healthcheck --admin 127.0.0.1:9000 --timeout 1"
        ),
    ),
)
@click.option(
    "--admin",
    envvar="SIDECAR_ADMIN",
    metavar="ADDRESS",
    help=f"Its admin address; default: {_DEFAULT_ADMIN}. [SIDECAR_ADMIN]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="SIDECAR_CONFIG",
    metavar="FILE",
    help="The YAML file that says the admin address, where nothing else does. [SIDECAR_CONFIG]",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="For how long an answer is waited for.",
)
def command(admin: str | None, config: Path | None, timeout_s: float) -> int:
    """Ask the sidecar's admin address for /live.

    Exit code 1: it does not answer, or does not live. Flags that another process was started with
    cannot be seen from here: give it the admin address by SIDECAR_ADMIN or the configuration file.
    """
    if admin is None:
        admin = _DEFAULT_ADMIN if config is None else _admin_of(config)
    try:
        address = parse_address(admin)
    except ValueError as problem:
        raise click.UsageError(f"the admin address {admin!r} {problem}") from None
    try:
        status = fetch_status(address, "/live", timeout_s)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "no answer"
        click.echo(f"{admin} cannot be asked: {reason}")
        return DOES_NOT_HOLD
    click.echo(f"{admin} answers {status}")
    return 0 if status == 200 else DOES_NOT_HOLD


def _admin_of(config: Path) -> str:
    from sidecar.cli.flags import load_from

    return load_from(config, {}).settings.admin


def fetch_status(address: Address, path: str, timeout_s: float) -> int:
    """The status of a GET. Raises OSError, or ValueError for what is not HTTP."""
    with _connect(address, timeout_s) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            version, status, *_ = answer.readline(256).split(b" ", 2)
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP answer")
    return int(status)


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
