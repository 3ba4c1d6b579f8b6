"""``sidecar drain``: tells a sidecar on this machine that its end has begun.

For the preStop hook of its container: from then on it is not ready and sends callers elsewhere, and
serves on until it is stopped.
"""

from pathlib import Path

import click

from sidecar.cli import local
from sidecar.cli.help import Command, Example
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD


@click.command(
    "drain",
    cls=Command,
    examples=(Example("As a preStop hook:", "sidecar drain --admin 127.0.0.1:15020"),),
)
@local.options
def command(admin: str | None, config: Path | None, timeout_s: float) -> int:
    """Let the sidecar be not ready from now on, and serve until it is stopped.

    Exit code 1: it refused. Exit code 3: it does not answer.
    """
    admin = local.admin_of(admin, config)
    try:
        status = local.fetch_status(local.address_of(admin), "POST /drain", timeout_s)
    except (OSError, ValueError) as problem:
        click.echo(f"sidecar: {admin} cannot be asked: {local.explain(problem)}", err=True)
        return COULD_NOT_FIND_OUT
    if status != 202:
        click.echo(f"sidecar: {admin} answers {status}, and does not drain", err=True)
        return DOES_NOT_HOLD
    click.echo(f"{admin} drains: not ready any more, still serving.")
    return 0
