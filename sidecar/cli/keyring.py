"""The keyring of a command: read once, from the same settings that ``sidecar run`` would use.

``--keyring`` says where, else SIDECAR_KEYRING or the configuration file. What cannot be used is
named on stderr, as a warning; nothing is logged, watched or kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.flags import load_from

if TYPE_CHECKING:
    from sidecar.config.settings import Settings
    from sidecar.tokens.keyring import Keyring


def keyring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: ``--keyring`` and ``--config``, for ``read_keyring``."""
    command = click.option(
        "--keyring",
        "places",
        multiple=True,
        type=click.Path(exists=True),
        metavar="PATH",
        help="A directory of key files, or one such file. Repeatable. [SIDECAR_KEYRING]",
    )(command)
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The YAML file, for keyring and rules of tokens. [SIDECAR_CONFIG]",
    )(command)


def read_keyring(config: Path | None, places: tuple[str, ...]) -> "tuple[Settings, Keyring]":
    """The settings in force, and the keys that their sources hold now; there may be none."""
    settings = load_from(config, {"keyring": places}).settings
    from sidecar.keys.merge import Order, merge
    from sidecar.keys.store import build_sources

    sources = build_sources(settings.keyring)
    readings = [source.load() for source in sources]
    for source, reading in zip(sources, readings, strict=True):
        if reading.error is not None:
            _warn(f"{source.name} {reading.error}")
    merged = merge(readings, Order(settings.auth.newest, settings.auth.signing_since))
    for trouble in (*merged.problems, *merged.notices):
        _warn(str(trouble))
    return settings, merged.keyring


def _warn(text: str) -> None:
    click.echo(f"sidecar: warning: {text}", err=True)
