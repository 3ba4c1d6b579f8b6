"""What a version is said to need, by options or by its own configuration file.

Used by ``cli.fleet``, whose questions are about versions that may not run anywhere yet.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sidecar.config.load import load_settings
from sidecar.errors import VersionError
from sidecar.fleet.change import Told
from sidecar.fleet.services import Fleet
from sidecar.versions.requirement import parse_requirement


def needs_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options, given to the command as ``needs`` and ``config``."""
    command = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="That version's own YAML file, whose `dependencies` say what it needs.",
    )(command)
    return click.option(
        "--needs",
        multiple=True,
        metavar="DEPENDENCY>=VERSION",
        help="What that version needs, as in users-backend>=v2.3,<v3. Repeatable.",
    )(command)


def _parse_need(text: str) -> tuple[str, str]:
    """``users>=v2.3,<v3``: a name, and the short form of a requirement."""
    end = next((index for index, each in enumerate(text) if each in "<>=!"), len(text))
    name, requires = text[:end].strip(), text[end:].strip() or "any"
    if not name:
        raise click.UsageError(f"--needs {text!r} names no service; write users-backend>=v2.3")
    try:
        return name, str(parse_requirement(requires))
    except VersionError as error:
        raise click.UsageError(f"--needs {text!r}: {error.detail}") from None


def _read_needs(config: Path | None) -> list[tuple[str, str]] | None:
    if config is None:
        return None
    # A pipeline has not the service's keys, and its environment is not the service's.
    dependencies = load_settings({"auth": "off"}, {}, config).settings.dependencies
    return [(name, str(each.requirement())) for name, each in dependencies.items()]


def wanted_of(needs: tuple[str, ...], config: Path | None) -> list[tuple[str, str]] | None:
    """Names and requirements; None where nobody says any."""
    if needs and config is not None:
        raise click.UsageError("give --needs or --config, not both")
    return [_parse_need(each) for each in needs] if needs else _read_needs(config)


def tell(fleet: Fleet, user: str, wanted: list[tuple[str, str]] | None) -> list[Told] | None:
    """The same with the services that are meant by what ``user`` calls them."""
    if wanted is None:
        return None
    told = []
    for dependency, requires in wanted:
        service = fleet.resolve(dependency, user)
        if service is None:
            raise click.UsageError(
                f"nobody knows which service {user} calls {dependency}; {names_of(fleet)}"
            )
        told.append(Told(service, requires))
    return told


def names_of(fleet: Fleet) -> str:
    """The names that there are, as the end of a message."""
    names = ", ".join(fleet.services) or "none"
    return f"there is {names}" if len(fleet.services) < 2 else f"there are {names}"
