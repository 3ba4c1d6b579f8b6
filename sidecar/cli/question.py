"""What a command about a rotation is told: whom to ask, about which time, and about which key.

Options, and the refusal of names that nobody has; used by ``rotate`` and ``fleet serve``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.sources import Place, source_options
from sidecar.cli.values import Duration, Moment

if TYPE_CHECKING:
    from sidecar.fleet.direct import Direct
    from sidecar.fleet.evidence import Evidence
    from sidecar.fleet.prometheus import Prometheus


#: A Prometheus is asked in whole seconds.
_SHORTEST_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """Whom to ask, and about which time. Times in seconds."""

    place: Place
    window_s: float
    stated_watch: float | None


def evidence_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of a :class:`Question`, given to the command as ``question``."""

    @wraps(command)
    def with_question(
        place: Place, window_s: float, stated_watch: float | None, **others: Any
    ) -> Any:
        if window_s < _SHORTEST_WINDOW_S:
            raise click.UsageError("--window: must be at least 1s")
        return command(question=Question(place, window_s, stated_watch), **others)

    decorated: Callable[..., Any] = with_question
    for option in (
        click.option(
            "--watched-since",
            "stated_watch",
            type=Moment(),
            metavar="TIME",
            help="From when on every service that hands out tokens was watched. Without it: an hour"
            " after the first of them was scraped.",
        ),
        click.option(
            "--window",
            "window_s",
            type=Duration(),
            metavar="DURATION",
            default="72h",
            show_default=True,
            help="How far to look back in the Prometheus.",
        ),
    ):
        decorated = option(decorated)
    return source_options(decorated)


def rotation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: which rotation is shown, as ``key_id`` and ``frontends``."""
    command = click.option(
        "--frontend",
        "frontends",
        multiple=True,
        metavar="SERVICE",
        help="A service of step 3, which gets the new key after the backends. Repeatable.",
    )(command)
    return click.option(
        "--key", "key_id", metavar="ID", help="The key that is rotated to, if not the newest."
    )(command)


async def ask(source: "Prometheus | Direct", question: Question) -> "Evidence":
    """Raises :class:`sidecar.errors.FleetError` when nobody answers."""
    from sidecar.fleet.ask import ask

    return await ask(source, window_s=question.window_s, stated_watch=question.stated_watch)


def check_key(evidence: "Evidence", key_id: str | None) -> None:
    """Refuse a key that no replica has."""
    if key_id is not None and key_id not in evidence.key_ids:
        known = ", ".join(evidence.key_ids) or "none"
        raise click.UsageError(f"no replica has a key {key_id}; keys that exist: {known}")


def check_services(evidence: "Evidence", frontends: tuple[str, ...]) -> None:
    """Refuse names that no service has."""
    known = sorted({replica.service for replica in evidence.fleet.replicas})
    for name in frontends:
        if name not in known:
            raise click.UsageError(f"there is no service {name}; services: {', '.join(known)}")
