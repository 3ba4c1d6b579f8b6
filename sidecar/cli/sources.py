"""The options that say whom to ask about a fleet, the same on every command that asks.

``source_options`` puts them on a command, ``build_source`` makes of them what is asked: a
Prometheus, or the sidecars themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.values import Duration
from sidecar.setting import parse_web_url

if TYPE_CHECKING:
    from sidecar.fleet.direct import Direct
    from sidecar.fleet.prometheus import Prometheus

_ADMIN_PORT = 15020
_MAX_TOKEN_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Whom to ask, as the options say it."""

    prometheus: str | None
    targets: tuple[str, ...]
    dns: str | None
    match: str
    timeout_s: float
    ca: Path | None
    token_file: Path | None

    @property
    def is_named(self) -> bool:
        """Whether the options say anybody at all."""
        return self.prometheus is not None or bool(self.targets) or self.dns is not None


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options, given to the command as the one argument ``place``."""
    return _decorate(command, is_needed=True)


def optional_source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a command that need not ask anybody: ``place`` is None where none is named."""
    return _decorate(command, is_needed=False)


def _decorate(command: Callable[..., Any], *, is_needed: bool) -> Callable[..., Any]:
    @wraps(command)
    def with_place(
        prometheus: str | None,
        target: tuple[str, ...],
        dns: str | None,
        match: str,
        timeout: float,
        ca: Path | None,
        token_file: Path | None,
        **others: Any,
    ) -> Any:
        place = Place(prometheus, target, dns, match, timeout, ca, token_file)
        if is_needed or place.is_named:
            _check(place)
        return command(place=place if place.is_named else None, **others)

    options = (
        click.option(
            "--prometheus",
            metavar="URL",
            envvar="SIDECAR_PROMETHEUS",
            help="A Prometheus that scrapes the sidecars. [SIDECAR_PROMETHEUS]",
        ),
        click.option(
            "--target",
            multiple=True,
            metavar="URL",
            help="A sidecar's admin port, asked directly. Repeatable.",
        ),
        click.option(
            "--dns",
            metavar="NAME[:PORT]",
            help="A name whose every address is a sidecar's, such as a headless Service;"
            f" the admin port if it is not {_ADMIN_PORT}.",
        ),
        click.option(
            "--match",
            metavar="MATCHERS",
            default="",
            help='Only targets with these labels, as in PromQL: job="sidecars",fleet="production".',
        ),
        click.option(
            "--timeout",
            type=Duration(),
            metavar="DURATION",
            default="30s",
            show_default=True,
            help="For each answer.",
        ),
        click.option(
            "--ca",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Certificate authorities of the Prometheus, in place of the system's.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Holds the bearer token that the Prometheus asks for.",
        ),
    )
    decorated: Callable[..., Any] = with_place
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def build_source(place: Place, *, interval_s: float | None = None) -> "Prometheus | Direct":
    """What is asked. Inside the event loop; who called closes it.

    ``interval_s``: how often it is going to be asked, where it is.
    """
    if place.prometheus is not None:
        from sidecar.fleet.prometheus import Prometheus

        return Prometheus(
            place.prometheus,
            match=place.match,
            timeout_s=place.timeout_s,
            ca=None if place.ca is None else str(place.ca),
            headers=_authorization(place.token_file),
        )
    from sidecar.fleet.direct import USUAL_INTERVAL_S, Direct

    dns = place.dns
    if dns is not None and not _has_port(dns):
        dns = f"{dns}:{_ADMIN_PORT}"
    return Direct(
        place.targets,
        dns=dns,
        timeout_s=place.timeout_s,
        interval_s=USUAL_INTERVAL_S if interval_s is None else interval_s,
    )


def _check(place: Place) -> None:
    if not place.is_named:
        raise click.UsageError(
            "say whom to ask: --prometheus URL, or --target URL, or --dns NAME:PORT"
        )
    if place.prometheus is not None and (place.targets or place.dns is not None):
        raise click.UsageError("give --prometheus, or --target and --dns, not both")
    if place.prometheus is None and place.match:
        raise click.UsageError("--match chooses among the targets of --prometheus")
    for url in filter(None, (place.prometheus, *place.targets)):
        try:
            parse_web_url(url)
        except ValueError as problem:
            # Not quoted: what was wrong may be a password in it.
            raise click.UsageError(f"a URL that was given {problem}") from None
    if place.dns is not None and _has_port(place.dns):
        host, _, port = place.dns.rpartition(":")
        is_bare_ipv6 = ":" in host and not host.startswith("[")
        if not host or is_bare_ipv6 or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise click.UsageError("--dns: write NAME or NAME:PORT")


def _has_port(dns: str) -> bool:
    return ":" in dns


def _authorization(file: Path | None) -> Mapping[str, str]:
    if file is None:
        return {}
    with file.open("rb") as opened:
        token = opened.read(_MAX_TOKEN_BYTES).strip()
    if not token or not token.isascii() or any(byte <= 0x20 or byte == 0x7F for byte in token):
        raise click.UsageError(f"{file} holds no bearer token")
    return {"Authorization": f"Bearer {token.decode()}"}
