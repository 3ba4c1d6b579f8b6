"""``sidecar fleet serve``: the page of a whole fleet, for as long as it runs."""

import asyncio
import socket
import sys

import click

from sidecar.cli.help import Command, Example
from sidecar.cli.progress import waiting_for
from sidecar.cli.question import (
    Question,
    check_key,
    check_services,
    evidence_options,
    rotation_options,
)
from sidecar.cli.sources import build_source
from sidecar.cli.values import Duration

_LISTEN = "127.0.0.1:15030"


@click.command(
    "serve",
    cls=Command,
    examples=(
        Example(
            "What a Prometheus knows, at http://127.0.0.1:15030/:",
            "sidecar fleet serve --prometheus http://prometheus:9090",
        ),
        Example(
            "Two sidecars, at another port:",
            "sidecar fleet serve --listen 127.0.0.1:8080 \\\n"
            "  --target http://10.0.0.7:15020 --target http://10.0.0.8:15020",
        ),
    ),
)
@click.option(
    "--listen",
    metavar="ADDRESS",
    default=_LISTEN,
    show_default=True,
    help="Where the page is. Who can reach it can read it; nobody can change anything there.",
)
@click.option(
    "--interval",
    "interval_s",
    type=Duration(),
    metavar="DURATION",
    default="10s",
    show_default=True,
    help="From one question to the next.",
)
@rotation_options
@evidence_options
def serve(
    listen: str,
    interval_s: float,
    key_id: str | None,
    frontends: tuple[str, ...],
    question: Question,
) -> None:
    """Serve a page that shows the fleet and keeps itself current.

    It shows the rotation of keys, the versions that run, and who needs whom. Where nobody answers
    any more it shows since when, and what was known last. Exit codes: 0 ended by a signal; 2 the
    port is taken; 3 the first question had no answer.
    """
    from sidecar.app.fleet_page import open_page_listener

    if interval_s < 1:
        raise click.UsageError("--interval: at least 1s, since each question costs who is asked")
    with open_page_listener(listen) as listener:
        asyncio.run(_serve(listener, interval_s, key_id, frontends, question))


async def _serve(
    listener: socket.socket,
    interval_s: float,
    key_id: str | None,
    frontends: tuple[str, ...],
    question: Question,
) -> None:
    from sidecar.app.fleet_page import serve_fleet
    from sidecar.fleet.watch import FleetWatch, Subject

    source = build_source(question.place, interval_s=interval_s)
    try:
        subject = Subject(question.window_s, question.stated_watch, key_id, frontends)
        watch = FleetWatch(source, subject, interval_s)
        with waiting_for(source.name):
            evidence = await watch.begin()
        check_key(evidence, key_id)
        check_services(evidence, frontends)
        await serve_fleet(watch, listener, _tell)
    finally:
        await source.close()


def _tell(url: str) -> None:
    click.echo(f"The fleet is at {url} until Ctrl-C.")
    sys.stdout.flush()
