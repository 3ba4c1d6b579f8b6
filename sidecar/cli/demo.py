"""``sidecar demo``: the whole thing on this machine, with real processes, and gone afterwards."""

import errno
import os
import shutil
import sys
from pathlib import Path
from tempfile import gettempdir

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
@click.option(
    "--prometheus",
    metavar="PROGRAM|none",
    help="Keeps the evidence; none = a store of the demo's own. Default: the one on the PATH.",
)
def command(once: bool, plain: bool, prometheus: str | None) -> int:
    """See a whole key rotation in a minute: three services, each behind its own sidecar.

    Real processes on free ports of loopback, and visitors all the time: each of the six steps with
    the evidence that it is done, a replica that lags behind, a key that may not go yet. It stays up
    to be explored until Ctrl-C, which leaves no process and no file behind. Exit code 1: a request
    failed, or something was not as expected.
    """
    from sidecar.demo.performance import perform
    from sidecar.demo.screen import Screen, is_plain
    from sidecar.demo.stage import Stage

    program = _find_prometheus(prometheus)
    columns = shutil.get_terminal_size().columns
    try:
        if plain or is_plain(sys.stdout, os.environ):
            screen = Screen(click.echo, is_plain=True, columns=columns)
            return perform(screen, lambda _: None, _program(), once=once, prometheus=program)
        stage = Stage(sys.stdout)
        screen = Screen(stage.say, is_plain=False, columns=columns)
        return perform(screen, stage.show, _program(), once=once, prometheus=program)
    except SidecarError as error:
        click.echo(f"sidecar: {error.detail}", err=True)
        return DOES_NOT_HOLD
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise click.ClickException(
            f"demo: no space is left for its files in {gettempdir()} (TMPDIR=DIRECTORY puts them"
            " elsewhere), or for its output"
        ) from None


def _find_prometheus(wanted: str | None) -> str | None:
    """The program to start; None = the demo's own store."""
    if wanted == "none":
        return None
    found = shutil.which(wanted or "prometheus")
    if wanted is not None and found is None:
        raise click.UsageError(f"--prometheus: {wanted} is no program")
    return found


def _program() -> list[str]:
    """How this program was called, so that a suggested command can be copied."""
    name = sys.argv[0]
    is_module = Path(name).name == "__main__.py"
    return [sys.executable, "-m", "sidecar"] if is_module else [name]
