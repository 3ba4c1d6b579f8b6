"""``sidecar healthcheck``: asks a sidecar on this machine whether it lives.

For container runtimes, since the image has no other HTTP client; with ``--wait`` as the hook that
lets an application start only beside a sidecar that serves already.
"""

import time
from pathlib import Path

import click

from sidecar.cli import local
from sidecar.cli.help import Command, Example
from sidecar.cli.main import DOES_NOT_HOLD
from sidecar.cli.progress import waiting_for
from sidecar.setting import Address

_RETRY_S = 0.2


@click.command(
    "healthcheck",
    cls=Command,
    examples=(
        Example("In the container of the sidecar:", "sidecar healthcheck"),
        Example(
            "One that listens elsewhere:", "sidecar healthcheck --admin 127.0.0.1:9000 --timeout 1"
        ),
        Example(
            "As a postStart hook, until it serves:",
            "sidecar healthcheck --admin 127.0.0.1:15020 --wait 120",
        ),
    ),
)
@local.options
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Ask again for this long, until it lives.",
)
def command(admin: str | None, config: Path | None, timeout_s: float, wait_s: float) -> int:
    """Ask the sidecar's admin address for /live.

    Exit code 1: it does not answer, or does not live. Flags that another process was started with
    cannot be seen from here: give it the admin address by SIDECAR_ADMIN or the configuration file.
    """
    admin = local.admin_of(admin, config)
    address = local.address_of(admin)
    with waiting_for(admin):
        lives, words = _wait_for(address, timeout_s, wait_s)
    click.echo(f"{admin} {words}")
    return 0 if lives else DOES_NOT_HOLD


def _wait_for(address: Address, timeout_s: float, wait_s: float) -> tuple[bool, str]:
    """The last answer: the first that says that it lives, or the one at which time was over."""
    end = time.monotonic() + wait_s
    while True:
        lives, words = _ask(address, timeout_s)
        if lives or time.monotonic() >= end:
            return lives, words
        time.sleep(_RETRY_S)


def _ask(address: Address, timeout_s: float) -> tuple[bool, str]:
    """Whether it lives, and what is known of that."""
    try:
        status = local.fetch_status(address, "GET /live", timeout_s)
    except (OSError, ValueError) as problem:
        return False, f"cannot be asked: {local.explain(problem)}"
    return status == 200, f"answers {status}"
