"""``sidecar demo``: the whole thing on this machine, with real processes, and gone afterwards."""

import os
import sys
from pathlib import Path

import click

from sidecar.cli.help import Command, Example
from sidecar.cli.main import DOES_NOT_HOLD
from sidecar.errors import SidecarError


@click.command(
    "demo",
    cls=Command,
    examples=(
        Example("See it, and then look around until Ctrl-C:", "sidecar demo"),
        Example("In a pipeline:", "sidecar demo --once --plain"),
    ),
)
@click.option("--once", is_flag=True, help="End by itself instead of staying up.")
@click.option("--plain", is_flag=True, help="Plain ASCII without colour, as in a file. [NO_COLOR]")
def command(once: bool, plain: bool) -> int:
    """See it work: an application, keys, a sidecar, tokens of every kind.

    Everything listens on loopback, on free ports. It stays up to be explored until Ctrl-C, which
    leaves no process and no file behind. Exit code 1: something was not as expected.
    """
    from sidecar.demo.performance import perform
    from sidecar.demo.screen import Screen, is_plain

    screen = Screen(click.echo, is_plain=plain or is_plain(sys.stdout, os.environ))
    try:
        return perform(screen, _program(), once=once)
    except SidecarError as error:
        click.echo(f"sidecar: {error.detail}", err=True)
        return DOES_NOT_HOLD


def _program() -> list[str]:
    """How this program was called, so that a suggested command can be copied."""
    name = sys.argv[0]
    is_module = Path(name).name == "__main__.py"
    return [sys.executable, "-m", "sidecar"] if is_module else [name]
