"""``sidecar rotate``: where the fleet stands in a rotation, and whether its next step may be taken.

``status`` shows, ``gate`` decides for a pipeline, ``switched`` writes down that all signers use a
key. The evidence comes from a Prometheus, which remembers replicas that are gone, or from the
sidecars themselves.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.help import Example, Group
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.cli.progress import say_meanwhile, waiting_for
from sidecar.cli.question import (
    Question,
    ask,
    check_key,
    check_services,
    evidence_options,
    rotation_options,
)
from sidecar.cli.sources import build_source
from sidecar.cli.values import Duration, Moment
from sidecar.errors import FleetError

if TYPE_CHECKING:
    from sidecar.fleet.evidence import Evidence
    from sidecar.rotation.gates import Decision

_POLL_S = 2.0
_WATCH_S = 5.0
_CLEAR = "\x1b[H\x1b[2J"


@click.group(
    "rotate",
    cls=Group,
    examples=(
        Example(
            "How far is the rotation?",
            "sidecar rotate status --prometheus http://prometheus:9090",
        ),
        Example(
            "May the old key go? For a pipeline:",
            "sidecar rotate gate retire --key 2026-05 \\\n  --prometheus http://prometheus:9090",
        ),
    ),
)
def command() -> None:
    """See how far a rotation of keys is, and guard its next step."""


# --- status ----------------------------------------------------------------------------------


@command.command(
    "status",
    examples=(
        Example(
            "What a Prometheus knows of the last three days:",
            "sidecar rotate status --prometheus http://prometheus:9090",
        ),
        Example(
            "The sidecars themselves, until interrupted:",
            "sidecar rotate status --dns thoughts-sidecars:15020 --watch",
        ),
        Example(
            "For a program, of one fleet of several:",
            "sidecar rotate status --prometheus http://prometheus:9090 \\\n"
            "  --match 'fleet=\"production\"' --json",
        ),
    ),
)
@evidence_options
@rotation_options
@click.option("--watch", is_flag=True, help="Show it again and again, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="JSON; with --watch one object per line.")
def status(
    question: Question,
    key_id: str | None,
    frontends: tuple[str, ...],
    watch: bool,
    as_json: bool,
) -> None:
    """Show the six steps of the rotation, each done, not yet or unknown, and the evidence.

    A service whose every replica answers is one line of the table; "old" is every key before the
    one that is rotated to. What a gate would say decides: see `sidecar rotate gate`.

    Exit code 3: nobody could be asked.
    """

    def show(evidence: "Evidence") -> None:
        from sidecar.cli.rotation import format_report
        from sidecar.fleet.report import build_report

        check_key(evidence, key_id)
        check_services(evidence, frontends)
        report = build_report(evidence, new_key=key_id, frontends=frontends)
        if as_json:
            click.echo(json.dumps(report.as_object(), indent=None if watch else 2))
        else:
            before = _CLEAR if watch and sys.stdout.isatty() else ""
            click.echo(before + format_report(report))
        sys.stdout.flush()

    asyncio.run(_observe(question, show, watches=watch))


async def _observe(
    question: Question, show: "Callable[[Evidence], None]", *, watches: bool
) -> None:
    source = build_source(question.place, interval_s=_WATCH_S if watches else None)
    try:
        while True:
            try:
                with waiting_for(source.name):
                    evidence = await ask(source, question)
                show(evidence)
            except FleetError as error:
                if not watches:
                    raise
                say_meanwhile(f"sidecar: {error.detail}")
            if not watches:
                return
            await asyncio.sleep(_WATCH_S)
    finally:
        await source.close()


# --- gate ------------------------------------------------------------------------------------


@command.command(
    "gate",
    examples=(
        Example(
            "Before the signers are switched: does everybody hold the new key?",
            "sidecar rotate gate distribute --key 2026-11 \\\n"
            "  --prometheus http://prometheus:9090 --wait 10m",
        ),
        Example(
            "After it: does nobody sign with the old one any more?",
            "sidecar rotate gate switch --key 2026-11 \\\n  --prometheus http://prometheus:9090",
        ),
        Example(
            "Before the old key is removed:",
            "sidecar rotate gate retire --key 2026-05 \\\n  --prometheus http://prometheus:9090",
        ),
    ),
)
@click.argument("gate", metavar="GATE", type=click.Choice(["distribute", "switch", "retire"]))
@click.option(
    "--key", "key_id", metavar="ID", required=True, help="The key that the step is about."
)
@evidence_options
@click.option(
    "--accept-unproven",
    is_flag=True,
    help="For retire: yes without proof where no token of the key is known to live; what is risked"
    " is printed.",
)
@click.option(
    "--wait",
    "wait_s",
    type=Duration(),
    metavar="DURATION",
    default=0,
    help="Ask again for so long (10m) until the answer is yes.",
)
@click.option("--json", "as_json", is_flag=True, help="The decision as JSON.")
def gate(
    gate: str,
    key_id: str,
    question: Question,
    accept_unproven: bool,
    wait_s: float,
    as_json: bool,
) -> int:
    """Decide whether the next step of a rotation may be taken.

    GATE is distribute (every replica of every service holds the key, so tokens may be signed with
    it), switch (tokens of the key are seen, and nobody signs with an older one any more) or retire
    (no token of the old key is alive or can come to be: it may be removed).

    Exit codes: 0 yes; 1 no; 3 could not find out.
    """
    if accept_unproven and gate != "retire":
        raise click.UsageError("--accept-unproven is for retire alone")

    with waiting_for(f"the gate {gate}"):
        decision, limits = asyncio.run(_decide(question, gate, key_id, accept_unproven, wait_s))
    if as_json:
        document = {**_document(gate, key_id, decision), "limits": limits}
        click.echo(json.dumps(document, indent=2))
    else:
        from sidecar.cli.rotation import format_decision

        click.echo(format_decision(gate, key_id, decision, limits))
    return {"yes": 0, "no": DOES_NOT_HOLD}.get(decision.answer.value, COULD_NOT_FIND_OUT)


async def _decide(
    question: Question, gate: str, key_id: str, accepts_unproven: bool, wait_s: float
) -> "tuple[Decision, tuple[str, ...]]":
    """The decision: the first yes, or what is so when ``wait_s`` are over; and what the evidence
    cannot prove."""
    from sidecar.fleet.report import decide
    from sidecar.rotation.gates import Answer

    source = build_source(question.place, interval_s=_POLL_S if wait_s else None)
    end, said = time.monotonic() + wait_s, ""
    try:
        while True:
            is_last = time.monotonic() >= end
            try:
                evidence = await ask(source, question)
                check_key(evidence, key_id)
                decision = decide(evidence, gate, key_id, accepts_unproven=accepts_unproven)
                if is_last or decision.answer is Answer.YES:
                    return decision, evidence.limits
                why = f"{decision.answer}: {decision.why}"
            except FleetError as error:
                if is_last:
                    raise
                why = error.detail
            if why != said:
                say_meanwhile(f"sidecar: {why}")
                said = why
            await asyncio.sleep(min(_POLL_S, max(end - time.monotonic(), 0.0)))
    finally:
        await source.close()


def _document(gate: str, key_id: str, decision: "Decision") -> dict[str, Any]:
    return {
        "gate": gate,
        "key": key_id,
        "answer": decision.answer.value,
        "why": decision.why,
        "basis": decision.basis.value,
        "assumptions": [assumption.value for assumption in decision.assumptions],
        "missing": [{"where": each.where, "what": each.what} for each in decision.missing],
    }


# --- switched --------------------------------------------------------------------------------


@command.command(
    "switched",
    examples=(
        Example(
            "All signers use it, from now on:",
            "sidecar rotate switched --key 2026-11 --dir keyring",
        ),
        Example(
            "A plan, in force from then on:",
            "sidecar rotate switched --key 2026-11 \\\n  --at 2026-12-01T06:00:00Z --dir keyring",
        ),
    ),
)
@click.option("--key", "key_id", metavar="ID", required=True, help="The key that all signers use.")
@click.option(
    "--at",
    "at",
    type=Moment(),
    metavar="TIME",
    help="From when on. One in the future is a plan. Without it: now.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The directory of the keyring, where ID.since is written.",
)
def switched(key_id: str, at: float | None, directory: Path) -> None:
    """State from when on all signers use a key, in a file ID.since beside the keys.

    It takes effect wherever this directory is delivered as a keyring: there a token of an older
    key that was issued later contradicts it, and with auth.switch: enforce it is refused.
    """
    from sidecar.keys.since import format_since, parse_since
    from sidecar.rotation.moment import format_moment

    known = _ids_in(directory)
    if key_id not in known:
        held = ", ".join(known) or "none"
        raise click.UsageError(f"{directory} holds no key {key_id}; keys in it: {held}")
    since = float(int(time.time() if at is None else at))
    file = directory / f"{key_id}.since"
    before = ""
    if file.exists():
        from sidecar.errors import KeyFileError

        try:
            before = f" (before: {format_moment(parse_since(file.read_bytes()))})"
        except KeyFileError:
            before = " (what was there could not be read)"
    _write_whole(file, format_since(since))
    is_plan = since > time.time()
    verb = "are going to use" if is_plan else "use"
    click.echo(f"{file}: all signers {verb} {key_id} from {format_moment(since)} on{before}")


def _ids_in(directory: Path) -> tuple[str, ...]:
    from sidecar.keys.source import PathSource

    return tuple(key.id for key in PathSource(directory).load().keys)


def _write_whole(file: Path, content: bytes) -> None:
    """Whoever reads it meanwhile sees the old statement or the new one."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.chmod(0o644)
    new.replace(file)
