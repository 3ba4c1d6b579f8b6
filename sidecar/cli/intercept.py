"""``sidecar intercept``: the kernel's redirection of connections to the sidecar.

For an init container with NET_ADMIN, and by hand.
"""

import json
from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.help import Example, Group
from sidecar.cli.main import DOES_NOT_HOLD
from sidecar.errors import ConfigError

if TYPE_CHECKING:
    from sidecar.interception.plan import Plan

_DEFAULT_UID = 1337

_OPTIONS = (
    click.option(
        "--ports", metavar="LIST", required=True, help="The application's: 8000,9000-9010; or all."
    ),
    click.option("--except-ports", metavar="LIST", default="", help="Ports to leave alone."),
    click.option(
        "--except-sources",
        metavar="CIDR",
        multiple=True,
        help="Networks whose connections reach the application itself, unverified.",
    ),
    click.option("--to", type=click.IntRange(1, 65535), default=15006, show_default=True,
                 help="The sidecar's inbound port."),
    click.option("--admin", type=click.IntRange(1, 65535), default=15020, show_default=True,
                 help="The sidecar's admin port, which stays as it is."),
    click.option("--uid", type=int, default=_DEFAULT_UID, show_default=True,
                 help="The user that the sidecar runs as; its own traffic is left alone."),
    click.option("--app-uid", type=int, help="The application's user, which must be another."),
    click.option("--outbound-to", type=click.IntRange(1, 65535),
                 help="Redirect the application's own calls too, to this port."),
    click.option("--outbound-except-ports", metavar="LIST", default="",
                 help="Ports that calls go to directly."),
    click.option("--outbound-except-networks", metavar="CIDR", multiple=True,
                 help="Networks that calls go to directly."),
    click.option("--backend", type=click.Choice(["auto", "nft", "iptables"]), default="auto",
                 show_default=True, help="What keeps the rules."),
)  # fmt: skip


def _plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), function)


@click.group(
    "intercept",
    cls=Group,
    examples=(
        Example("Redirect port 8000:", "sidecar intercept apply --ports 8000"),
        Example("Is that in force?", "sidecar intercept show --ports 8000"),
        Example("Put everything back:", "sidecar intercept remove"),
    ),
)
def command() -> None:
    """Let the kernel redirect connections to the sidecar.

    Inbound connections to the application's ports reach the sidecar first, over IPv4 and IPv6, and
    cannot go around it. Needs NET_ADMIN in the network namespace.
    """


@command.command(
    "apply",
    examples=(
        Example("Only the application's ports:", "sidecar intercept apply --ports 8000,9000-9010"),
        Example(
            "Everything but ssh, and what the rules would be:",
            "sidecar intercept apply --ports all --except-ports 22 --dry-run",
        ),
        Example(
            "The application's own calls too:",
            "sidecar intercept apply --ports 8000 --outbound-to 15001",
        ),
    ),
)
@_plan_options
@click.option("--dry-run", is_flag=True, help="Print the rules and change nothing.")
def apply(backend: str, dry_run: bool, **options: Any) -> int:
    """Put the rules in force, in place of earlier ones.

    Twice is the same as once. Whatever fails changes nothing.
    """
    from sidecar.interception.apply import apply_plan, choose
    from sidecar.interception.listeners import load_listening_users

    plan = _build_plan(listening=load_listening_users(), **options)
    if dry_run:
        click.echo(choose(backend)[0].script(plan), nl=False)
        return 0
    _confirm(plan, apply_plan(plan, backend).name)
    return 0


@command.command(
    "show",
    examples=(
        Example(
            "Does the kernel do what was applied with the same options?",
            "sidecar intercept show --ports 8000",
        ),
    ),
)
@_plan_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(backend: str, as_json: bool, **options: Any) -> int:
    """Compare what is in force with what these options want.

    Exit code 1: it differs, and how is printed as a diff.
    """
    from sidecar.interception.apply import compare

    plan = _build_plan(**options)
    found = compare(plan, backend)
    if as_json:
        document = {
            "in_force": not found.difference,
            "backend": found.backend,
            "difference": found.difference,
        }
        click.echo(json.dumps(document, indent=2))
    elif found.difference:
        click.echo("\n".join(found.difference))
    else:
        _confirm(plan, found.backend)
    return DOES_NOT_HOLD if found.difference else 0


@command.command(
    "remove",
    examples=(Example("Put everything back:", "sidecar intercept remove"),),
)
def remove() -> None:
    """Take every rule of ours away; connections reach the application directly again."""
    from sidecar.interception.apply import remove_rules

    click.echo("The rules are gone." if remove_rules() else "There were no rules.")


def _confirm(plan: "Plan", backend: str) -> None:
    click.echo(f"Connections to {_ports(plan)} reach port {plan.to} ({backend}).")
    if plan.outbound_to is not None:
        click.echo(f"The application's calls reach port {plan.outbound_to}.")


def _ports(plan: "Plan") -> str:
    if not plan.ports:
        return "every port"
    is_one = len(plan.ports) == 1 and plan.ports[0].first == plan.ports[0].last
    return f"port{'' if is_one else 's'} {', '.join(map(str, plan.ports))}"


def _build_plan(
    app_uid: int | None, listening: Mapping[int, int] | None = None, **options: Any
) -> "Plan":
    """The plan that the options describe. Raises :class:`ConfigError` with all that is wrong."""
    from sidecar.interception.plan import Plan, check_plan, parse_network
    from sidecar.setting import parse_port_range

    problems: list[str] = []

    def take(option: str, texts: list[str], parse: Callable[[str], Any]) -> tuple[Any, ...]:
        values = []
        for text in texts:
            try:
                values.append(parse(text))
            except ValueError as error:
                problems.append(f"--{option}: {text!r} {error}")
        return tuple(values)

    def ports(option: str) -> tuple[Any, ...]:
        text = str(options[option.replace("-", "_")]).strip()
        return take(option, [each.strip() for each in text.split(",") if text], parse_port_range)

    def networks(option: str) -> tuple[Any, ...]:
        return take(option, list(options[option.replace("-", "_")]), parse_network)

    is_all = str(options["ports"]).strip() == "all"
    chosen = () if is_all else ports("ports")
    if not is_all and not str(options["ports"]).strip():
        problems.append("--ports: names no port; name the application's ports, or all")
    plan = Plan(
        ports=chosen,
        to=options["to"],
        uid=options["uid"],
        admin=options["admin"],
        except_ports=ports("except-ports"),
        except_sources=networks("except-sources"),
        outbound_to=options["outbound_to"],
        outbound_except_ports=ports("outbound-except-ports"),
        outbound_except_networks=networks("outbound-except-networks"),
    )
    if problems:
        raise ConfigError(problems)
    return check_plan(plan, app_uid=app_uid, listening=listening)
