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
from sidecar.cli.needs import names_of, needs_options, tell, wanted_of
from sidecar.cli.progress import waiting_for
from sidecar.cli.sources import Place, build_source, source_options
from sidecar.fleet.change import Change, judge_deployment, judge_rollback
from sidecar.fleet.graph import FORMATS
from sidecar.fleet.instances import METRICS
from sidecar.fleet.services import Fleet, build_fleet
from sidecar.fleet.source import Current, Source
from sidecar.fleet.status import build_status
from sidecar.versions.stamp import UNKNOWN, stated_version

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
@needs_options
@_json_option
@source_options
def rollback(
    service: str,
    version: str,
    needs: tuple[str, ...],
    config: Path | None,
    as_json: bool,
    place: Place,
) -> int:
    """Say whether SERVICE may go back to VERSION, or who minds.

    Exit codes: 0 it may; 1 somebody who is deployed would be left unsatisfied; 2 there is no such
    service; 3 nobody is known to be, but a replica does not answer or a version has no order.
    """
    _check_version(version)
    wanted = wanted_of(needs, config)
    fleet = load_fleet(place)
    _check_name(fleet, service)
    told = tell(fleet, service, wanted)
    return _answer(judge_rollback(fleet, service, version, told), Verb.GO_BACK, as_json)


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
@needs_options
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

    What the version needs is what --needs or --config say, or else what the running version needs.
    Exit codes: 0 it may; 1 something else has to go first; 2 there is no such service; 3 nothing is
    known to stand in the way, but a replica does not answer, a version has no order, or nobody says
    what the version needs.
    """
    _check_version(version)
    wanted = wanted_of(needs, config)
    fleet = load_fleet(place)
    if not is_new:
        _check_name(fleet, service, hint="; --new is for its first deployment")
    told = tell(fleet, service, wanted)
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


def _check_version(version: str) -> None:
    """What a pipeline passes of a variable that nobody set is no version that may be deployed."""
    if stated_version(version) == UNKNOWN:
        raise click.UsageError(
            "VERSION says no version; give the one that the image is stamped with"
        )


def _check_name(fleet: Fleet, service: str, hint: str = "") -> None:
    if service not in fleet.services:
        raise click.UsageError(f"no service is called {service}; {names_of(fleet)}{hint}")


# --- showing -------------------------------------------------------------------------------------


def _answer(change: Change, verb: Verb, as_json: bool) -> int:
    if as_json:
        _print_json(change.document())
    else:
        click.echo(format_change(change, verb))
    return _CODES[change.is_allowed]


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
