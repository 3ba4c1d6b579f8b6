"""``sidecar deps``: whether the services that this one needs are there, in a version that will do.

The same questions as ``sidecar run`` asks, for an init container, a Helm hook or a pipeline.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.deps_order import order
from sidecar.cli.flags import load_from
from sidecar.cli.help import Example, Group
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.cli.progress import say_meanwhile, waiting_for
from sidecar.cli.table import format_table, terminal_width
from sidecar.cli.values import Duration

if TYPE_CHECKING:
    from sidecar.dependencies.finding import Finding
    from sidecar.dependencies.probe import Probe
    from sidecar.dependencies.settings import DependencySettings

_RETRY_S = 1.0
_SHOWN = ("dependency", "state", "requires", "version", "why")


@click.group(
    "deps",
    cls=Group,
    examples=(
        Example(
            "As an init container, which waits for what its service needs:",
            "sidecar deps check --config sidecar.yaml --wait 2m",
        ),
    ),
)
def command() -> None:
    """Check what a service needs of others, and in which order to deploy."""


command.add_command(order)


@command.command(
    "check",
    examples=(
        Example("What the file names:", "sidecar deps check --config sidecar.yaml"),
        Example(
            "One service, without a file:",
            "sidecar deps check --dependencies \\\n"
            "  'users-backend=http://users/admin/version/ >=v2.3,<v3'",
        ),
        Example(
            "Wait until all will do, at most two minutes:",
            "sidecar deps check --config sidecar.yaml --wait 2m",
        ),
    ),
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The YAML file that names the dependencies. [SIDECAR_CONFIG]",
)
@click.option(
    "--dependencies",
    metavar="TEXT",
    help="In place of the file's: NAME=URL REQUIREMENT; NAME=URL. [SIDECAR_DEPENDENCIES]",
)
@click.option(
    "--wait",
    "wait_s",
    type=Duration(),
    default=0,
    metavar="DURATION",
    help="Ask again for so long (2m) until all will do; what changes is told on stderr.",
)
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def check(config: Path | None, dependencies: str | None, wait_s: float, as_json: bool) -> int:
    """Ask every dependency for its version, and say whether it will do.

    Exit codes: 0 all will do; 1 one will not; 3 none is known not to, but one could not be asked or
    judged.
    """
    # Keys are no business of this command: an init container need not have them.
    settings = load_from(config, {"dependencies": dependencies, "auth": "off"}).settings
    with waiting_for("the answers of dependencies"):
        probes, findings = asyncio.run(_ask_all(settings.dependencies, wait_s))
    if as_json:
        click.echo(json.dumps(_document(probes, findings), indent=2, ensure_ascii=False))
    elif probes:
        rows = [_row(each, findings[each.name]) for each in probes]
        click.echo(format_table(_SHOWN, rows, terminal_width()))
    else:
        click.echo("no dependency is configured")
    return _code(findings)


async def _ask_all(
    dependencies: "Mapping[str, DependencySettings]", wait_s: float
) -> "tuple[list[Probe], Mapping[str, Finding]]":
    from sidecar.dependencies.probe import Probe
    from sidecar.net.fetch import Fetcher

    fetcher = Fetcher()
    try:
        probes = [Probe(name, each, fetcher.fetch) for name, each in dependencies.items()]
        return probes, await ask_all(probes, wait_s)
    finally:
        await fetcher.close()


async def ask_all(probes: "list[Probe]", wait_s: float) -> "Mapping[str, Finding]":
    """The last finding of each, by name; asked again within ``wait_s`` until all are satisfied."""
    end = time.monotonic() + wait_s
    findings: dict[str, Finding] = {}

    async def ask(probe: "Probe") -> None:
        while True:
            finding = await probe.ask()
            if wait_s and finding != findings.get(probe.name):
                _tell(probe, finding, max(end - time.monotonic(), 0.0))
            findings[probe.name] = finding
            left_s = end - time.monotonic()
            if finding.is_satisfied or left_s <= 0:
                return
            await asyncio.sleep(min(_RETRY_S, left_s))

    async with asyncio.TaskGroup() as group:
        for probe in probes:
            group.create_task(ask(probe))
    return findings


def _tell(probe: "Probe", finding: "Finding", left_s: float) -> None:
    rest = "" if finding.is_satisfied else f" (waiting {left_s:.0f} s more)"
    say_meanwhile(f"sidecar: {probe.name} is {finding.state}: {finding.why}{rest}")


def _code(findings: "Mapping[str, Finding]") -> int:
    satisfied = [finding.is_satisfied for finding in findings.values()]
    if False in satisfied:
        return DOES_NOT_HOLD
    return COULD_NOT_FIND_OUT if None in satisfied else 0


def _row(probe: "Probe", finding: "Finding") -> list[str]:
    return [
        probe.name,
        str(finding.state),
        str(probe.requirement),
        finding.version.version,
        finding.why,
    ]


def _document(probes: "list[Probe]", findings: "Mapping[str, Finding]") -> dict[str, Any]:
    satisfied = [finding.is_satisfied for finding in findings.values()]
    return {
        "satisfied": False if False in satisfied else (None if None in satisfied else True),
        "dependencies": [
            {
                "name": probe.name,
                "url": probe.settings.url.partition("?")[0],
                "requires": str(probe.requirement),
                "state": str(findings[probe.name].state),
                "satisfied": findings[probe.name].is_satisfied,
                **findings[probe.name].version.as_object(),
                "why": findings[probe.name].why,
            }
            for probe in probes
        ],
    }
