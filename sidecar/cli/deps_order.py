"""``sidecar deps order``: in which order a change that spans services is deployed.

Who needs whom is read from the services' own configuration files, for a pipeline that has them, or
from a fleet that runs. A circle has no order: it is named as the deadlock that it is.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from sidecar.cli.help import Command, Example
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.cli.sources import Place, optional_source_options
from sidecar.cli.table import format_table, terminal_width

if TYPE_CHECKING:
    from sidecar.config.settings import Settings
    from sidecar.fleet.order import Order


@dataclass(frozen=True, slots=True)
class _Known:
    """Who needs whom, and in which version; ``unknown``: sentences about what may be missing."""

    needs: Mapping[str, Mapping[str, str]]
    unknown: tuple[str, ...] = ()

    @property
    def names(self) -> Collection[str]:
        """Every service, those that are only needed too."""
        return sorted({*self.needs, *(name for needed in self.needs.values() for name in needed)})


@click.command(
    "order",
    cls=Command,
    examples=(
        Example(
            "From the services' own files:",
            "sidecar deps order --config users.yaml --config thoughts.yaml",
        ),
        Example(
            "Of two services of a fleet that runs:",
            "sidecar deps order frontend users-backend \\\n  --prometheus http://prometheus:9090",
        ),
    ),
)
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@click.option(
    "--config",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A service's own YAML file, in place of a fleet that runs. Repeatable: one for each.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@optional_source_options
def order(
    services: tuple[str, ...], files: tuple[Path, ...], as_json: bool, place: Place | None
) -> int:
    """Print the order in which a change across these services is deployed: dependencies first.

    Without any SERVICE: of all of them. Exit codes: 0 there is an order; 1 services that need each
    other are a deadlock; 2 there is no such service; 3 not every service says what it needs.
    """
    from sidecar.fleet.order import order_of

    known = _read_files(files) if files else _ask_fleet(place)
    for name in services:
        if name not in known.names:
            raise click.UsageError(
                f"no service is called {name}; there are {', '.join(known.names)}"
            )
    found = order_of(known.needs, services or list(known.needs))
    if as_json:
        click.echo(json.dumps(_document(found, known), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(found, known)))
    if found.cycles:
        return DOES_NOT_HOLD
    return COULD_NOT_FIND_OUT if known.unknown else 0


def _ask_fleet(place: Place | None) -> _Known:
    from sidecar.cli.fleet import load_fleet
    from sidecar.fleet.status import tell_silence

    if place is None:
        raise click.UsageError(
            "say who knows: --config FILE for each service, or --prometheus, --target or --dns"
        )
    fleet = load_fleet(place)
    needs: dict[str, dict[str, str]] = {name: {} for name in fleet.deployed}
    unknown = [tell_silence(target) for target in fleet.silent]
    for user, _, need in fleet.needs():
        needs[user.name].setdefault(need.service, need.requires)  # the newest version's
        if not need.is_certain:
            unknown.append(f"Nobody knows which service {user.name} calls {need.dependency}.")
    return _Known(needs, tuple(dict.fromkeys(unknown)))


def _read_files(files: Collection[Path]) -> _Known:
    context = click.get_current_context()
    for name in ("prometheus", "target", "dns"):
        # A variable of the environment is no such wish.
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"give --config or --{name}, not both")
    from sidecar.config.load import load_settings

    read: dict[str, Settings] = {}
    for file in files:
        # A pipeline has not the services' keys, and its environment is not theirs.
        settings = load_settings({"auth": "off"}, {}, file).settings
        if settings.service == "unknown":
            raise click.UsageError(f"{file} does not say which service it is of; set service")
        if settings.service in read:
            raise click.UsageError(f"{file} is another file of {settings.service}; give one")
        read[settings.service] = settings
    needs = {name: _needs(settings, read) for name, settings in read.items()}
    strangers = [(user, name) for user in needs for name in needs[user] if name not in read]
    return _Known(
        needs,
        tuple(
            f"{user} needs {name}, and no file is of a service with that name: it may be one of the"
            " others, or stand between them."
            for user, name in strangers
        ),
    )


def _needs(settings: "Settings", names: Collection[str]) -> dict[str, str]:
    return {
        _meant(name, each.url, names): str(each.requirement())
        for name, each in settings.dependencies.items()
    }


def _meant(name: str, url: str, names: Collection[str]) -> str:
    """The service of that name, or else the one that the URL's host is called after: in
    Kubernetes ``users-backend``, ``users-backend.shop`` or ``users-backend.shop.svc``."""
    host = (urlsplit(url).hostname or "").partition(".")[0]
    return host if name not in names and host in names else name


def _document(found: "Order", known: _Known) -> dict[str, Any]:
    ordered = [name for step in found.steps for name in step]
    return {
        "order": None if found.cycles else ordered,
        "steps": [list(step) for step in found.steps],
        "after": {name: list(found.before[name]) for name in ordered},
        "deadlocks": [list(cycle) for cycle in found.cycles],
        "behind": list(found.behind),
        "not_known": list(known.unknown),
    }


def _lines(found: "Order", known: _Known) -> Iterator[str]:
    rows = [
        [str(number), name, ", ".join(found.before[name])]
        for number, step in enumerate(found.steps, 1)
        for name in step
    ]
    if rows:
        yield format_table(("step", "service", "after"), rows, terminal_width())
    for cycle in found.cycles:
        yield _deadlock(cycle, known)
    if found.behind:
        yield f"Behind a deadlock: {', '.join(found.behind)}."
    yield from known.unknown


def _deadlock(cycle: tuple[str, ...], known: _Known) -> str:
    """Who needs whom, all the way round."""
    links = zip(cycle, (*cycle[1:], cycle[0]), strict=True)
    parts = [f"{one} needs {other} {known.needs[one][other]}" for one, other in links]
    which = "It needs its own next version" if len(cycle) == 1 else "None of them can go first"
    return (
        f"Deadlock: {', '.join(parts)}. {which}: let one work with what runs now "
        "before it needs what comes."
    )
