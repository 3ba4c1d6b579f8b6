"""``sidecar config``: check the configuration, show what is in force, publish the file's schema."""

import json
from pathlib import Path
from typing import Any

import click

from sidecar.cli.flags import load_from, settings_flags
from sidecar.cli.help import Example, Group


@click.group(
    "config",
    cls=Group,
    examples=(
        Example(
            "Before a file is rolled out, everything that is wrong with it:",
            "sidecar config check --config sidecar.yaml",
        ),
    ),
)
def command() -> None:
    """Check, show and describe the configuration."""


@command.command(
    "check",
    examples=(
        Example("Judge a file:", "sidecar config check --config sidecar.yaml"),
        Example(
            "Judge it with a variable that will stand beside it:",
            "SIDECAR_LEEWAY=10s sidecar config check --config sidecar.yaml",
        ),
    ),
)
@settings_flags
def check(config: Path | None, **flags: Any) -> None:
    """Say ok, or everything that is wrong (exit code 2).

    Looks at no key, address or application: whether they can be used shows at start.
    """
    load_from(config, flags)
    click.echo("ok")


@command.command(
    "show",
    examples=(
        Example(
            "What is in force, and whether the file, a variable or a flag says so:",
            "sidecar config show --config sidecar.yaml --leeway 10s",
        ),
        Example(
            "Where one setting comes from, for a program:",
            "sidecar config show --config sidecar.yaml --json \\\n  | jq '.\"auth.leeway\"'",
        ),
    ),
)
@settings_flags
@click.option("--json", "as_json", is_flag=True, help="JSON: each setting's value and origin.")
def show(config: Path | None, as_json: bool, **flags: Any) -> None:
    """Print the settings in force and where each comes from, secrets redacted.

    The text is YAML that can be used as the file.
    """
    loaded = load_from(config, flags)
    from sidecar.config.show import report, show_settings

    if as_json:
        found = report(loaded.settings, loaded.origins)
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo(show_settings(loaded.settings, loaded.origins), nl=False)


@command.command(
    "schema",
    examples=(
        Example("For an editor that knows YAML:", "sidecar config schema > sidecar.schema.json"),
    ),
)
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from sidecar.config.schema import build_schema

    click.echo(json.dumps(build_schema(), indent=2))
