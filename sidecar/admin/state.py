"""What the console shows of one sidecar, as one JSON document.

It puts together what the other reports say and judges nothing itself. The page draws any document
of this form, also that of a whole fleet (``fleet.state``). Called through ``admin.console``, once a
second while a page is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidecar.admin.changes import Change
from sidecar.metrics.history import Point
from sidecar.rotation.moment import format_moment

#: More than these are in the table alone.
MAX_DRAWN: Final = 20

#: What a replica cannot see, such as another that still signs with the key, is not in its verdict.
_FOR_ALL: Final = (
    "Whether an old key may go is said as far as this replica can tell; "
    "of the whole fleet, ask sidecar rotate status."
)
_LINKS = ("keys", "dependencies", "metrics", "version", "config", "ready", "live")


@dataclass(frozen=True, slots=True)
class Past:
    """What happened so far: refused tokens by (reason, generation, enforced), accepted ones over
    time, and the last changes."""

    rejections: Mapping[tuple[str, str, bool], int]
    history: Sequence[Point]
    changes: Sequence[Change]


def build_state(
    *,
    version: Mapping[str, Any],
    waits_for: Mapping[str, str],
    keys: Mapping[str, Any],
    dependencies: Mapping[str, Any],
    past: Past,
    now: float,
) -> dict[str, Any]:
    """The document."""
    return {
        "now": format_moment(now),
        "title": str(version["service"]),
        "subtitle": f"version {version['version']}, commit {version['commit']}, "
        f"sidecar {version['sidecar']}",
        "note": _note(keys),
        "status": _status(waits_for),
        "lost": None,
        "steps": [],
        "keys": keys["keys"],
        "services": _services(version, dependencies),
        "refusals": _refusals(past.rejections),
        "history": _history(past.history),
        "changes": _changes(past.changes),
        "links": _LINKS,
    }


def _status(waits_for: Mapping[str, str]) -> dict[str, str]:
    if waits_for:
        return {"kind": "bad", "text": f"✗ not ready: {', '.join(waits_for)}"}
    return {"kind": "good", "text": "✓ ready"}


def _note(keys: Mapping[str, Any]) -> str:
    """Since when what is shown was seen, for whom the verdicts speak, and how far the watching of
    what is handed out reaches."""
    note = f"Seen by this replica since {keys['observing_since']}."
    if any(key["generation"] == "old" for key in keys["keys"]):
        note += f" {_FOR_ALL}"
    issuing = keys["issuing"]
    if issuing is None:
        return note
    until = keys["unwatched_until"]
    if until is None:
        note += " The tokens that it hands out are watched from birth."
    else:
        note += f" Until {until} tokens may have been handed out unseen."
    if issuing["unknown_total"]:
        note += (
            f" {issuing['unknown_total']:,} were signed with a key that the keyring does not have."
        )
    if held_back := sum(issuing["refused"].values()):
        note += f" {held_back:,} of an old key were held back."
    if issuing["ended_at"] is not None:
        note += f" The last answer was out at {issuing['ended_at']}."
    return note


def _refusals(rejections: Mapping[tuple[str, str, bool], int]) -> list[dict[str, Any]]:
    """Refused tokens, the most frequent reason first; what never happened is left out."""
    refused = [
        {"reason": reason, "generation": generation, "enforced": enforced, "count": count}
        for (reason, generation, enforced), count in rejections.items()
        if count
    ]
    return sorted(refused, key=lambda each: (-int(str(each["count"])), str(each["reason"])))


def _history(points: Sequence[Point]) -> list[dict[str, float]]:
    """Accepted tokens a second, the oldest first."""
    return [
        {"at": round(point.at, 1), "new": round(point.new, 2), "old": round(point.old, 2)}
        for point in points
    ]


def _changes(changes: Sequence[Change]) -> list[dict[str, str]]:
    """What changed, the newest first."""
    return [
        {"at": format_moment(change.at), "level": change.level, "what": change.what}
        for change in changes
    ]


def _services(version: Mapping[str, Any], dependencies: Mapping[str, Any]) -> dict[str, Any]:
    """The service on the left, what it needs on the right, and the same in a table."""
    needs = dependencies["dependencies"]
    nodes, edges = _drawing(version, needs) if 0 < len(needs) <= MAX_DRAWN else ([], [])
    rows = [[each["name"], each["requires"], each["version"], _holds(each)] for each in needs]
    table = {"columns": ["Service", "Needs", "Found", "Holds"], "rows": rows}
    return {
        "title": "What this service needs",
        "note": "" if needs else "It names no service that it needs.",
        "nodes": nodes,
        "edges": edges,
        "tables": [table] if needs else [],
    }


def _drawing(
    version: Mapping[str, Any], needs: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Places in columns and rows; the lines lead from the service to each that it needs."""
    middle = (len(needs) - 1) / 2
    own = {"name": version["service"], "text": version["version"], "column": 0, "row": middle}
    others = [
        {"name": each["name"], "text": each["version"], "column": 1, "row": row}
        for row, each in enumerate(needs)
    ]
    edges = [
        {"from": 0, "to": number, "satisfied": each["satisfied"], "via": []}
        for number, each in enumerate(needs, 1)
    ]
    return [own, *others], edges


def _holds(need: Mapping[str, Any]) -> dict[str, Any]:
    return {"satisfied": need["satisfied"], "why": need["why"]}
