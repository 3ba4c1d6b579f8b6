"""``sidecar fleet``: which versions run in a fleet, and what that allows.

Every answer comes from what really runs, asked of a Prometheus or of the sidecars themselves. A
replica that does not answer makes no yes. What is decided is decided in ``fleet``; here it is
asked, shown, and turned into an exit code.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sidecar.cli.answers import Verb, format_change, format_status
from sidecar.cli.fleet_serve import serve
from sidecar.cli.help import Example, Group
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.cli.progress import waiting_for
from sidecar.cli.sources import Place, build_source, source_options
from sidecar.config.load import load_settings
from sidecar.errors import VersionError
from sidecar.fleet.change import Change, Told, judge_deployment, judge_rollback
from sidecar.fleet.graph import FORMATS
from sidecar.fleet.instances import METRICS
from sidecar.fleet.services import Fleet, build_fleet
from sidecar.fleet.source import Current, Source
from sidecar.fleet.status import build_status
from sidecar.versions.requirement import parse_requirement

_PROMETHEUS = "--prometheus http://prometheus:9090"
_CODES = {True: 0, False: DOES_NOT_HOLD, None: COULD_NOT_FIND_OUT}


@click.group(
    "fleet",
    cls=Group,
    examples=(
        Example(
            "What runs, and whether everything that is needed is there?",
            f"sidecar fleet status {_PROMETHEUS}",
        ),
        Example(
            "May users-backend go back to v2.2?",
            f"sidecar fleet rollback users-backend v2.2 {_PROMETHEUS}",
        ),
    ),
)
def command() -> None:
    """See what runs in a fleet, and what may be deployed."""


command.add_command(serve)


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="The same as JSON.")(command)


@command.command(
    "status",
    examples=(
        Example("From a Prometheus:", f"sidecar fleet status {_PROMETHEUS}"),
        Example(
            "From the sidecars themselves, behind a headless Service:",
            "sidecar fleet status --dns sidecars.shop.svc:15020",
        ),
    ),
)
@_json_option
@source_options
def status(as_json: bool, place: Place) -> int:
    """Show what runs, what it needs, and whether that is there.

    Exit codes: 0 every need is satisfied; 1 one is not; 3 none is known not to be, but one cannot
    be judged or a replica does not answer.
    """
    found = build_status(load_fleet(place))
    if as_json:
        _print_json(found.document())
    else:
        click.echo(format_status(found))
    return _CODES[found.is_satisfied]


@command.command(
    "rollback",
    examples=(
        Example(
            "Before a rollback, in a pipeline:",
            f"sidecar fleet rollback users-backend v2.2 \\\n  {_PROMETHEUS}",
        ),
    ),
)
@click.argument("service")
@click.argument("version")
@_json_option
@source_options
def rollback(service: str, version: str, as_json: bool, place: Place) -> int:
    """Say whether SERVICE may go back to VERSION, or who minds.

    Exit codes: 0 it may; 1 somebody who is deployed would be left unsatisfied; 2 there is no such
    service; 3 nobody is known to be, but a replica does not answer or a version has no order.
    """
    fleet = load_fleet(place)
    _check_name(fleet, service)
    return _answer(judge_rollback(fleet, service, version), Verb.GO_BACK, as_json)


@command.command(
    "deploy",
    examples=(
        Example(
            "With what the new version needs:",
            "sidecar fleet deploy thoughts-backend v1.6 \\\n"
            f"  --needs 'users-backend>=v2.3' {_PROMETHEUS}",
        ),
        Example(
            "With what its own file says that it needs:",
            f"sidecar fleet deploy thoughts-backend v1.6 \\\n  --config sidecar.yaml {_PROMETHEUS}",
        ),
    ),
)
@click.argument("service")
@click.argument("version")
@click.option(
    "--needs",
    multiple=True,
    metavar="DEPENDENCY>=VERSION",
    help="What the new version needs, as in users-backend>=v2.3,<v3. Repeatable. Default: what the"
    " running version needs.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The new version's own YAML file, whose `dependencies` say what it needs.",
)
@click.option("--new", "is_new", is_flag=True, help="It is the first deployment of SERVICE.")
@_json_option
@source_options
def deploy(
    service: str,
    version: str,
    needs: tuple[str, ...],
    config: Path | None,
    is_new: bool,
    as_json: bool,
    place: Place,
) -> int:
    """Say whether VERSION may be deployed now, or what goes first.

    Exit codes: 0 it may; 1 something else has to go first; 2 there is no such service; 3 nothing is
    known to stand in the way, but a replica does not answer or a version has no order.
    """
    if needs and config is not None:
        raise click.UsageError("give --needs or --config, not both")
    wanted = [_parse_need(each) for each in needs] if needs else _read_needs(config)
    fleet = load_fleet(place)
    if not is_new:
        _check_name(fleet, service, hint="; --new is for its first deployment")
    told = None if wanted is None else [_tell(fleet, service, each) for each in wanted]
    return _answer(judge_deployment(fleet, service, version, told), Verb.BE_DEPLOYED, as_json)


@command.command(
    "graph",
    examples=(
        Example("To read:", f"sidecar fleet graph {_PROMETHEUS}"),
        Example(
            "For Graphviz:",
            f"sidecar fleet graph --format dot {_PROMETHEUS} > fleet.dot",
        ),
    ),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="text to read, dot for Graphviz, mermaid for Markdown.",
)
@_json_option
@source_options
def graph(form: str, as_json: bool, place: Place) -> int:
    """Draw who needs whom, and whether that is satisfied."""
    found = build_status(load_fleet(place))
    if as_json:
        _print_json({name: found.document()[name] for name in ("services", "needs")})
    else:
        click.echo(FORMATS[form](found))
    return 0


# --- asking --------------------------------------------------------------------------------------


def load_fleet(place: Place) -> Fleet:
    """Ask this place, once."""
    with waiting_for("the fleet"):
        return build_fleet(asyncio.run(_ask(place)))


async def _ask(place: Place) -> Current:
    source: Source = build_source(place)
    try:
        return await source.current(METRICS)
    finally:
        await source.close()


def _check_name(fleet: Fleet, service: str, hint: str = "") -> None:
    if service not in fleet.services:
        raise click.UsageError(f"no service is called {service}; {_names(fleet)}{hint}")


def _names(fleet: Fleet) -> str:
    names = ", ".join(fleet.services) or "none"
    return f"there is {names}" if len(fleet.services) < 2 else f"there are {names}"


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


def _tell(fleet: Fleet, user: str, need: tuple[str, str]) -> Told:
    dependency, requires = need
    service = fleet.resolve(dependency, user)
    if service is None:
        raise click.UsageError(
            f"nobody knows which service {user} calls {dependency}; {_names(fleet)}"
        )
    return Told(service, requires)


# --- showing -------------------------------------------------------------------------------------


def _answer(change: Change, verb: Verb, as_json: bool) -> int:
    if as_json:
        _print_json(change.document())
    else:
        click.echo(format_change(change, verb))
    return _CODES[change.is_allowed]


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
