"""The picture at the foot of the terminal: the six steps, the two keys, the pods. Pure.

Every mark is a sign and a word, never a colour alone. What matters most stands first in each line,
for terminals that are narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.demo.stage import Line, Span
from sidecar.rotation.replica import Fleet, Replica, combined_evidence
from sidecar.rotation.steps import Progress, Step
from sidecar.rotation.verdict import Verdict, judge_fleet

_MARKS: Mapping[Progress, Span] = {
    Progress.DONE: ("✓", {"fg": "green"}),
    Progress.NOT_YET: ("·", {"dim": True}),
    Progress.UNKNOWN: ("?", {"fg": "yellow"}),
}
_BAR = 24
_QUIET = {"dim": True}


@dataclass(frozen=True, slots=True)
class Counts:
    """What the visitors have seen."""

    asked: int
    failed: int
    elapsed_s: float


def draw(fleet: Fleet, steps: Sequence[Step], counts: Counts) -> list[Line]:
    """Its lines, from top to bottom."""
    return [
        [],
        _headline(counts),
        *map(_step, steps),
        *_keys(fleet),
        *(_pod(replica) for replica in sorted(fleet.present, key=lambda each: each.place)),
    ]


def _headline(counts: Counts) -> Line:
    minutes, seconds = divmod(int(counts.elapsed_s), 60)
    failed = {"fg": "red", "bold": True} if counts.failed else {"fg": "green"}
    return [
        (f" {minutes:02}:{seconds:02}  ", {"bold": True}),
        (f"{counts.asked:,} requests, ", {}),
        (f"{counts.failed:,} failed", failed),
    ]


def _step(step: Step) -> Line:
    mark, style = _MARKS[step.progress]
    return [
        (f" {mark} {step.progress:<8}", style),
        (f"{step.number} {step.title}", {}),
    ]


def _keys(fleet: Fleet) -> list[Line]:
    verdicts = judge_fleet(fleet)
    live = {key_id: combined_evidence(fleet, key_id).live_tokens for key_id in verdicts}
    most = max([*live.values(), 1])
    return [_key(fleet, key_id, each, live[key_id], most) for key_id, each in verdicts.items()]


def _key(fleet: Fleet, key_id: str, verdict: Verdict, live: int, most: int) -> Line:
    colour = "cyan" if key_id == fleet.ring.newest else "yellow"
    return [
        (f" {key_id} ", {"bold": True}),
        (f"{live:>3} alive, {_state(fleet, verdict):<24} ", {}),
        ("█" * round(_BAR * live / most), {"fg": colour}),
    ]


def _state(fleet: Fleet, verdict: Verdict) -> str:
    word = str(verdict.state).replace("_", " ")
    if verdict.retirable_at is None:
        return word
    left_s = verdict.retirable_at - fleet.now
    return f"{word}, may go in {left_s:.0f} s" if left_s > 0 else f"{word}: may go"


def _pod(replica: Replica) -> Line:
    said = f"holds {' '.join(replica.ring.key_ids)}"
    if replica.watch is not None:
        handed_out = [
            f"{page.total} of {key_id}"
            for key_id, page in replica.watch.issued.items()
            if page.total
        ]
        held_back = sum(page.refused_total for page in replica.watch.issued.values())
        said += f", handed out {' and '.join(handed_out) or 'nothing'}"
        said += f", {held_back} held back" if held_back else ""
    return [(f" {replica.name:<11}", {}), (said, _QUIET)]
