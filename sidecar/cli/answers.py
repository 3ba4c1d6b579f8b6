"""The answers of ``sidecar fleet`` as text: tables, and what they come to in a sentence."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final

from sidecar.cli.table import format_table, terminal_width
from sidecar.fleet.change import Change, Claim
from sidecar.fleet.going_first import Move
from sidecar.fleet.graph import SIGNS
from sidecar.fleet.needs import answers_of
from sidecar.fleet.services import Service
from sidecar.fleet.source import SilentTarget
from sidecar.fleet.status import Status, tell_silence

_SHORT_COMMIT: Final = 12


class Verb(StrEnum):
    """What is asked of a service, in the words that follow "may"."""

    GO_BACK = "go back to"
    BE_DEPLOYED = "be deployed as"


def format_status(status: Status) -> str:
    """What runs, what it needs, and what deserves a look."""
    parts = [_table("service version replicas commit verified", _rows(status))]
    if status.needs:
        parts += ["", _table("service version needs requires satisfied", _needs(status))]
    if remarks := status.remarks():
        parts += ["", *remarks]
    return "\n".join([*parts, "", _sum_up(status)])


def _rows(status: Status) -> Iterator[list[str]]:
    for name, service in status.fleet.services.items():
        for running in service.running:
            commit = ", ".join(each[:_SHORT_COMMIT] for each in running.commits) or "unknown"
            verified = {True: "yes", False: "no", None: "-"}[running.is_verified]
            yield [name, running.version, str(len(running.replicas)), commit, verified]
        if service.silent:
            yield [name, "not known", f"{len(service.silent)} silent", "", ""]
        if service.is_outside:
            yield [name, _answers(status, service), "not in this fleet", "", ""]


def _answers(status: Status, service: Service) -> str:
    return ", ".join(answers_of(status.fleet, service.name)) or "not known"


def _needs(status: Status) -> Iterator[list[str]]:
    for each in status.needs:
        holds = each.judgement.holds
        words = f"{SIGNS[holds]} {'yes' if holds else each.judgement.why}"
        yield [each.user, each.version, each.need.name, each.need.requires, words]


def _sum_up(status: Status) -> str:
    if status.is_satisfied:
        return "Every service has what it needs."
    missing = sum(each.judgement.holds is False for each in status.needs)
    if missing:
        return f"{_count(missing, 'need is', 'needs are')} not satisfied."
    return "No need is known not to be satisfied, but not all is known."


def format_change(change: Change, verb: Verb) -> str:
    """Whether it may be, who says so, and what has to go first."""
    parts = [_verdict(change, verb)]
    if change.users:
        rows = map(_user_row, change.users)
        parts += ["", _table("needed_by version replicas requires satisfied", rows)]
    if change.needs:
        parts += ["", _table("needs requires satisfied", map(_need_row, change.needs))]
    notes = list(_notes(change))
    if notes:
        parts += ["", *notes]
    if change.first:
        parts += ["", "First:", *_steps(change)]
    return "\n".join(parts)


def _verdict(change: Change, verb: Verb) -> str:
    what = f"{verb} {change.version}"
    if change.is_allowed:
        return f"{change.service} may {what}."
    users = {each.user for each in change.users if each.judgement.holds is False}
    needs = [each for each in change.needs or () if each.judgement.holds is False]
    reasons = []
    if users:
        reasons.append(f"{_count(len(users), 'service', 'services')} would be left unsatisfied")
    if needs:
        reasons.append(f"{_count(len(needs), 'need is', 'needs are')} not satisfied")
    if reasons:
        return f"{change.service} may not {what}: {' and '.join(reasons)}."
    return f"Nobody knows whether {change.service} may {what}."


def _user_row(claim: Claim) -> list[str]:
    return [claim.user, claim.version, str(claim.replicas), claim.requires, _said(claim)]


def _need_row(claim: Claim) -> list[str]:
    return [claim.needed, claim.requires, _said(claim)]


def _said(claim: Claim) -> str:
    holds = claim.judgement.holds
    return f"{SIGNS[holds]} {claim.judgement.why}"


def _notes(change: Change) -> Iterator[str]:
    name = f"{change.service} {change.version}"
    if change.needs is None:
        remedy = "" if change.is_return else " Say it: --needs, or --config with its own file."
        yield f"What {name} needs itself is not known here.{remedy}"
    elif change.as_of is not None and change.as_of != change.version:
        yield f"{name} is taken to need what {change.as_of} needs, which runs now."
    for target in change.silent:
        yield _may_need(target, change.service)


def _may_need(target: SilentTarget, service: str) -> str:
    return f"{tell_silence(target)} It may need {service}."


def _steps(change: Change) -> Iterator[str]:
    for number, step in enumerate(change.first, 1):
        move = "roll back" if step.move is Move.BACK else "deploy"
        yield f"  {number}. {move} {step.service}: {step.why}"


def _table(columns: str, rows: Iterable[Sequence[str]]) -> str:
    names = [name.replace("_", " ") for name in columns.split()]
    return format_table(names, rows, terminal_width())


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
