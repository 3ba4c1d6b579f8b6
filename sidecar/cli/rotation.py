"""A rotation's report for people: a table to read at a glance, the steps, and who is late.

Made of ``fleet.report`` by ``cli.rotate``. Names of services, replicas and keys come from others
and are shown as they are, but for characters that a terminal would obey.
"""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

import click

from sidecar.cli.table import format_table, terminal_width
from sidecar.fleet.report import KeyUse, Report, Service
from sidecar.fleet.source import printable
from sidecar.rotation.gates import Answer, Decision
from sidecar.rotation.moment import format_moment, format_span
from sidecar.rotation.signers import Missing
from sidecar.rotation.steps import Progress, Step
from sidecar.rotation.verdict import Basis, State, Verdict

_SERVICES = (
    "service",
    "replicas",
    "keys held",
    "live tokens",
    "old last used",
    "old last issued",
    "old expires",
)
_KEYS = ("key", "state", "basis", "may go", "left")
_MARKS = {Progress.DONE: "done", Progress.NOT_YET: "not yet", Progress.UNKNOWN: "unknown"}
_COLORS = {Progress.DONE: "green", Progress.NOT_YET: "yellow", Progress.UNKNOWN: "magenta"}
_ANSWERS = {Answer.YES: "green", Answer.NO: "red", Answer.UNKNOWN: "magenta"}
#: More names than this are counted.
_SHOWN = 5
_NONE = "-"


def format_report(report: Report) -> str:
    """The whole report, without a final newline."""
    return "\n".join(_lines(report))


def format_decision(gate: str, key_id: str, decision: Decision, limits: Sequence[str]) -> str:
    """A gate's answer, the reason, what is missing where, and what the evidence cannot prove."""
    answer = click.style(decision.answer.value, fg=_ANSWERS[decision.answer], bold=True)
    basis = "" if decision.basis is Basis.NONE else f" ({decision.basis})"
    lines = [f"{gate} {printable(key_id)}: {answer}{basis}", *_wrapped(decision.why, "  ")]
    for assumption in decision.assumptions:
        lines += _wrapped(f"assumes: {assumption.value}", "  ")
    lines += _missing(decision.missing)
    return "\n".join([*lines, *(line for limit in limits for line in _wrapped(f"! {limit}"))])


def _lines(report: Report) -> Iterator[str]:
    fleet = report.evidence.fleet
    width = terminal_width()
    present = len(fleet.present)
    head = f"Rotation to {report.new_key}" if report.new_key else "No replica holds a key"
    yield from _wrapped(
        f"{head}: {_count(present, 'replica')} of {_count(len(report.services), 'service')}, asked "
        f"{report.evidence.source} at {format_moment(fleet.now)}."
    )
    yield ""
    yield format_table(_SERVICES, [_service_row(report, each) for each in report.services], width)
    if report.verdicts:
        yield ""
        rows = [_key_row(key, verdict, fleet.now) for key, verdict in report.verdicts.items()]
        yield format_table(_KEYS, rows, width)
    for key_id, verdict in report.verdicts.items():
        yield ""
        yield from _verdict(key_id, verdict)
    yield ""
    for step in report.steps:
        yield from format_step(step)
    yield from _notes(report)


def _service_row(report: Report, service: Service) -> Sequence[str]:
    now = report.evidence.fleet.now
    ids = report.evidence.fleet.ring.key_ids
    new = report.new_key
    before = ids[: ids.index(new)] if new in ids else ids
    older = [use for use in service.keys if use.key_id in before]
    silent = f" ({service.silent} silent)" if service.silent else ""
    held = ", ".join(
        f"{printable(use.key_id)} {use.holders}/{service.replicas}"
        for use in service.keys
        if use.holders or use.key_id in ids
    )
    return (
        printable(service.name),
        f"{service.replicas}{silent}",
        held or _NONE,
        _shares(service),
        _ago(now, (use.last_used_at for use in older)),
        _ago(now, (use.newest_issued_at for use in older)),
        _until(now, older),
    )


def _shares(service: Service) -> str:
    shares = [(use, service.share_of(use)) for use in service.keys]
    told = [
        f"{printable(use.key_id)} {share:.0%}"
        for use, share in shares
        if share is not None and share
    ]
    return ", ".join(told) or _NONE


def _ago(now: float, moments: Iterable[float | None]) -> str:
    known = [moment for moment in moments if moment is not None]
    return f"{format_span(now - max(known))} ago" if known else _NONE


def _until(now: float, uses: list[KeyUse]) -> str:
    known = [use.latest_expiry_at for use in uses if use.latest_expiry_at is not None]
    if not known:
        return _NONE
    left_s = max(known) - now
    return f"in {format_span(left_s)}" if left_s > 0 else f"{format_span(-left_s)} ago"


def _key_row(key_id: str, verdict: Verdict, now: float) -> Sequence[str]:
    at = verdict.retirable_at
    left = _NONE
    if at is not None:
        left = "now" if verdict.state is State.RETIRABLE else format_span(max(at - now, 0))
    return (
        printable(key_id),
        verdict.state.value,
        _NONE if verdict.state in (State.CURRENT, State.STAGED) else verdict.basis.value,
        _NONE if at is None else format_moment(at),
        left,
    )


def _verdict(key_id: str, verdict: Verdict) -> Iterator[str]:
    yield from _wrapped(f"{key_id}: {verdict.why}")
    for assumption in verdict.assumptions:
        yield from _wrapped(f"assumes: {assumption.value}", "  ")
    yield from _missing(verdict.missing)


def format_step(step: Step) -> Iterator[str]:
    """The lines of one step."""
    mark = click.style(f"{_MARKS[step.progress]:<7}", fg=_COLORS[step.progress], bold=True)
    title, *more = _wrapped(step.title, " " * 10)
    yield f"{step.number} {mark} {title.lstrip()}"
    yield from more
    yield from _wrapped(step.why, " " * 10)
    if step.progress is not Progress.DONE:
        yield from _missing(step.missing, " " * 10)


def _missing(missing: Sequence[Missing], margin: str = "  ") -> Iterator[str]:
    for each in missing[:_SHOWN]:
        yield from _wrapped(f"{each.where}: {each.what}", margin)
    if len(missing) > _SHOWN:
        yield f"{margin}and {len(missing) - _SHOWN} more"


def _notes(report: Report) -> Iterator[str]:
    notes = list(_notes_of(report))
    if notes:
        yield ""
    for note in notes:
        yield from _wrapped(f"! {note}")


def _notes_of(report: Report) -> Iterator[str]:
    fleet = report.evidence.fleet
    for gap in fleet.gaps[:_SHOWN]:
        yield (
            f"Nothing was scraped from {format_moment(gap.start)} to {format_moment(gap.end)}: "
            "whole replicas may have come and gone unseen."
        )
    unheard = [replica for replica in fleet.replicas if replica.gaps]
    for replica in unheard[:_SHOWN]:
        silent_s = sum(gap.end - gap.start for gap in replica.gaps)
        yield f"{replica.place} was not scraped for {format_span(silent_s)} in all."
    if len(unheard) > _SHOWN:
        yield f"{len(unheard) - _SHOWN} more replicas were not scraped for a while (see --json)."
    for target in fleet.unscraped[:_SHOWN]:
        gone = "" if target.gone_at is None else ", and is gone"
        yield f"{target.place} was never scraped{gone}."
    for each in report.fast_clocks:
        yield f"{each.where}: {each.what}."
    yield from report.evidence.limits


def _wrapped(text: str, margin: str = "") -> list[str]:
    text, width = printable(text), terminal_width()
    if width is None:
        return [f"{margin}{text}"]
    return wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
    ) or [""]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
