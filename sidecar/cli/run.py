"""``sidecar run``: read the configuration and be the sidecar until told to stop."""

from pathlib import Path
from typing import Any

import click

from sidecar.cli.flags import load_from, settings_flags
from sidecar.cli.help import Command, Example


@click.command(
    "run",
    cls=Command,
    examples=(
        Example(
            "In front of an application on port 8000:",
            "sidecar run --upstream http://127.0.0.1:8000 --keyring keyring \\\n"
            "  --service thoughts-backend",
        ),
        Example(
            "Refuse nobody yet, and count who would be:",
            "sidecar run --config sidecar.yaml --auth observe",
        ),
        Example("Everything from the file:", "sidecar run --config sidecar.yaml"),
    ),
)
@settings_flags
def command(config: Path | None, **flags: Any) -> int:
    """Run the sidecar in front of an application.

    A flag wins over its environment variable, that over the file, that over the default. SIGTERM or
    Ctrl-C ends it: what is in flight may finish. Exit code 2: the configuration cannot be used.
    """
    loaded = load_from(config, flags)
    from sidecar.app.lifecycle import run  # the data plane, which a wrong flag never needs

    return run(loaded)
