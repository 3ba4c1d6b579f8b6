"""The keyring of a command: read once, from the same settings that ``sidecar run`` would use.

``--keyring`` says where, else SIDECAR_KEYRING or the configuration file. What cannot be used is
named on stderr, as a warning; nothing is logged, watched or kept. A source elsewhere that does not
answer ends the command: without its keys, nothing could be said for sure.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.flags import load_from
from sidecar.cli.progress import waiting_for
from sidecar.errors import FetchError

if TYPE_CHECKING:
    from sidecar.config.settings import Settings
    from sidecar.keys.source import KeySource
    from sidecar.tokens.keyring import Keyring


class _Place(click.Path):
    """A path that exists, or a URL, which only asking can prove."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


def keyring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: ``--keyring`` and ``--config``, for ``read_keyring``."""
    command = click.option(
        "--keyring",
        "places",
        multiple=True,
        type=_Place(exists=True),
        metavar="PATH|URL",
        help="A directory of key files, one such file, or the URL of a JWKS. Repeatable."
        " [SIDECAR_KEYRING]",
    )(command)
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The YAML file, for keyring and rules of tokens. [SIDECAR_CONFIG]",
    )(command)


def read_keyring(config: Path | None, places: tuple[str, ...]) -> "tuple[Settings, Keyring]":
    """The settings in force, and the keys that their sources hold now; there may be none.

    Raises :class:`FetchError` where a source elsewhere does not answer as it should.
    """
    settings = load_from(config, {"keyring": places}).settings
    auth = settings.auth
    from sidecar.keys.build import build_sources
    from sidecar.keys.merge import Order, merge
    from sidecar.keys.revoked import TokenList

    is_remote = any(each.path is None for each in settings.keyring)
    sources = _ask(settings) if is_remote else build_sources(settings.keyring)
    if auth.revoked_tokens is not None:
        sources.append(TokenList(Path(auth.revoked_tokens)))
    readings = [source.load() for source in sources]
    for source, reading in zip(sources, readings, strict=True):
        if reading.error is not None:
            _warn(f"{source.name} {reading.error}")
    revoked = dict.fromkeys(auth.revoked, "auth.revoked")
    merged = merge(readings, Order(auth.newest, auth.signing_since, revoked))
    for trouble in (*merged.problems, *merged.notices):
        _warn(str(trouble))
    said = merged.keyring.revoked
    for key in merged.keyring.revoked_keys:
        _warn(f"{key.source} holds the key {key.id}, which is revoked: {said[key.id]}")
    return settings, merged.keyring


def _ask(settings: "Settings") -> "list[KeySource]":
    """The sources, those elsewhere asked once."""
    from sidecar.keys.build import build_sources
    from sidecar.keys.refresh import ask_once
    from sidecar.net.fetch import fetch  # the HTTP client, which files alone never need

    sources = build_sources(settings.keyring, fetch)
    with waiting_for("the sources of keys"):
        silent = asyncio.run(ask_once(sources))
    if silent:
        raise FetchError("; ".join(silent))
    return sources


def _warn(text: str) -> None:
    click.echo(f"sidecar: warning: {text}", err=True)
