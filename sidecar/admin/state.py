"""What the console shows of one sidecar, as one JSON document.

It puts together what the other reports say and judges nothing itself; the fleet's console sends the
same form. Called by ``admin.console`` once a second while a page is open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sidecar.admin.changes import Change
from sidecar.metrics.history import Point
from sidecar.rotation.moment import format_moment

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
    """The document. ``steps`` is null: a rotation's steps are the fleet's."""
    return {
        "now": format_moment(now),
        "title": str(version["service"]),
        "subtitle": f"version {version['version']}, commit {version['commit']}, "
        f"sidecar {version['sidecar']}",
        "note": f"Seen by this replica since {keys['observing_since']}.",
        "waits_for": dict(waits_for),
        "stale": None,
        "steps": None,
        "keys": keys["keys"],
        "services": [_service(version, dependencies)],
        "refusals": build_refusals(past.rejections),
        "history": build_history(past.history),
        "changes": build_changes(past.changes),
        "links": _LINKS,
    }


def build_refusals(rejections: Mapping[tuple[str, str, bool], int]) -> list[dict[str, Any]]:
    """Refused tokens, the most frequent reason first; what never happened is left out."""
    refused = [
        {"reason": reason, "generation": generation, "enforced": enforced, "count": count}
        for (reason, generation, enforced), count in rejections.items()
        if count
    ]
    return sorted(refused, key=lambda each: (-int(str(each["count"])), str(each["reason"])))


def build_history(points: Sequence[Point]) -> list[dict[str, float]]:
    """Accepted tokens a second, the oldest first."""
    return [
        {"at": round(point.at, 1), "new": round(point.new, 2), "old": round(point.old, 2)}
        for point in points
    ]


def build_changes(changes: Sequence[Change]) -> list[dict[str, str]]:
    """What changed, the newest first."""
    return [
        {"at": format_moment(change.at), "level": change.level, "what": change.what}
        for change in changes
    ]


def _service(version: Mapping[str, Any], dependencies: Mapping[str, Any]) -> dict[str, Any]:
    needs = [
        {name: each[name] for name in ("name", "requires", "version", "satisfied", "why")}
        for each in dependencies["dependencies"]
    ]
    running = {"version": version["version"], "replicas": 1}
    return {"name": version["service"], "replicas": None, "versions": [running], "needs": needs}
