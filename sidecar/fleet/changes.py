"""What has changed in a fleet from one moment to another, in sentences.

Pure; called by ``fleet.watch``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidecar.fleet.graph import WORDS
from sidecar.fleet.picture import Picture
from sidecar.fleet.status import Status, tell_silence
from sidecar.rotation.steps import Progress


@dataclass(frozen=True, slots=True)
class Change:
    """One sentence, when it came true (unix seconds), and whether it is ``info`` or ``warning``."""

    at: float
    level: str
    what: str


def changes_between(before: Picture, after: Picture) -> Iterator[Change]:
    """What is so now and was not before."""
    at = after.status.fleet.asked_at
    yield from (Change(at, level, what) for level, what in _changes(before, after))


def _changes(before: Picture, after: Picture) -> Iterator[tuple[str, str]]:
    yield from _steps(before, after)
    yield from _keys(before, after)
    yield from _versions(_running(before.status), _running(after.status))
    yield from _needs(before.status, after.status)
    yield from _silences(before.status, after.status)


def _steps(before: Picture, after: Picture) -> Iterator[tuple[str, str]]:
    was = {step.number: step.progress for step in before.report.steps}
    for step in after.report.steps:
        if was.get(step.number) != step.progress:
            is_lost = was.get(step.number) is Progress.DONE
            yield _level(is_lost), f"Step {step.number}, {step.title.lower()}: {step.progress}."


def _keys(before: Picture, after: Picture) -> Iterator[tuple[str, str]]:
    was, now = before.report.verdicts, after.report.verdicts
    for key_id, verdict in now.items():
        if key_id not in was:
            yield "info", f"Key {key_id} is held: {verdict.state.replace('_', ' ')}."
        elif was[key_id].state is not verdict.state:
            yield "info", f"Key {key_id} is {verdict.state.replace('_', ' ')} now."
    for key_id in was:
        if key_id not in now:
            yield "info", f"Key {key_id} is held by nobody any more."


def _running(status: Status) -> Mapping[str, Mapping[str, int]]:
    return {
        service.name: {each.version: len(each.replicas) for each in service.running}
        for service in status.fleet.services.values()
        if not service.is_outside
    }


def _versions(
    was: Mapping[str, Mapping[str, int]], now: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, str]]:
    for name, shares in now.items():
        if name not in was:
            yield "info", f"{name} is new in the fleet: {_shares(shares)}."
        elif was[name].keys() != shares.keys() and shares:
            yield "info", f"{name} runs {_shares(shares)}; before, {_shares(was[name])}."
    for name in was:
        if name not in now:
            yield "warning", f"{name} is not in the fleet any more."


def _shares(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{version} ({count})" for version, count in shares.items()) or "nothing"


def _needs(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    was, now = (
        {
            (each.user, each.version, each.need.name, each.need.requires): each.judgement
            for each in status.needs
        }
        for status in (before, after)
    )
    for one, judgement in now.items():
        user, version, name, requires = one
        if one in was and was[one].holds is judgement.holds:
            continue
        if one not in was and judgement.holds:
            continue
        what = f"{user} {version} needs {name} {requires}: {WORDS[judgement.holds]}"
        why = "" if judgement.holds else f", {judgement.why}"
        yield _level(judgement.holds is False), f"{what}{why}."


def _silences(before: Status, after: Status) -> Iterator[tuple[str, str]]:
    was, now = (
        {(target.job, target.instance): target for target in status.fleet.silent}
        for status in (before, after)
    )
    for place, target in now.items():
        if place not in was:
            yield "warning", tell_silence(target)
    for place, target in was.items():
        if place not in now:
            yield "info", f"{target.last_service or 'The target'} at {place[1]} is silent no more."


def _level(is_bad: bool) -> str:
    return "warning" if is_bad else "info"
