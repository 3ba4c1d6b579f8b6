"""What the page of a fleet shows, as one JSON document.

The same form as the console of one sidecar has (``admin.state``), so that one page draws both. It
puts together what the reports say and judges nothing itself. Called by ``app.fleet_page``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sidecar.fleet.changes import Change
from sidecar.fleet.graph import describe
from sidecar.fleet.layout import lay_out
from sidecar.fleet.needs import overall
from sidecar.fleet.picture import Picture, Refusal
from sidecar.fleet.status import Status
from sidecar.metrics.history import Point
from sidecar.rotation.moment import format_moment

#: More services than these are in the tables alone: nobody could follow the lines.
MAX_DRAWN: Final = 60

_LINKS: Final = ("state",)
_VERIFIED: Final = {True: "yes", False: "no", None: "-"}


def build_fleet_state(
    picture: Picture,
    *,
    points: Iterable[Point],
    changes: Iterable[Change],
    lost: str | None,
    now: float,
) -> dict[str, Any]:
    """The document. ``lost``: a sentence, where the source does not answer any more."""
    report, status = picture.report.as_object(), picture.status
    return {
        "now": format_moment(now),
        "title": "The fleet",
        "subtitle": _subtitle(picture),
        "note": _note(report),
        "status": _status(status),
        "lost": lost,
        "steps": report["steps"],
        "keys": _keys(report),
        "services": _services(status),
        "refusals": _refusals(picture.refusals),
        "history": [
            {"at": round(point.at, 1), "new": round(point.new, 2), "old": round(point.old, 2)}
            for point in points
        ],
        "changes": [
            {"at": format_moment(change.at), "level": change.level, "what": change.what}
            for change in changes
        ],
        "links": _LINKS,
    }


def _subtitle(picture: Picture) -> str:
    fleet = picture.status.fleet
    replicas = sum(service.replicas for service in fleet.services.values())
    silent = f", {len(fleet.silent)} silent" if fleet.silent else ""
    return (
        f"{len(fleet.deployed)} services, {replicas} replicas that answer{silent}; asked "
        f"{picture.report.evidence.source}"
    )


def _note(report: Mapping[str, Any]) -> str:
    newest = f"Rotating to {report['new_key']}. " if report["new_key"] else ""
    return " ".join([f"{newest}Watched since {report['watched_since']}.", *report["limits"]])


def _keys(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest first. Where nobody watches what is handed out, its number is not known."""
    is_watched = any(service["hands_out_tokens"] for service in report["services"])
    unknown = {} if is_watched else {"issued_total": None}
    return [{**key, **unknown} for key in reversed(report["keys"])]


def _status(status: Status) -> dict[str, str]:
    """In a word, whether every need is met."""
    missing = sum(each.judgement.holds is False for each in status.needs)
    if missing:
        return {"kind": "bad", "text": f"✗ {missing} {'need' if missing == 1 else 'needs'} not met"}
    if status.is_satisfied is None:
        return {"kind": "open", "text": "? not all is known"}
    return {"kind": "good", "text": "✓ every need is met"}


def _services(status: Status) -> dict[str, Any]:
    is_drawn = len(status.fleet.services) <= MAX_DRAWN
    nodes, edges = _drawing(status) if is_drawn else ([], [])
    tables = [{"caption": "What runs", **_running(status)}]
    if status.needs:
        tables.append({"caption": "What it needs", **_needs(status)})
    return {
        "title": "Services",
        "note": " ".join(status.remarks()),
        "nodes": nodes,
        "edges": edges,
        "tables": tables,
    }


def _drawing(status: Status) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The services, each with its place, and who needs whom; an edge holds if it does for every
    version of the user."""
    needed = status.fleet.needed_by_name()
    layout = lay_out(needed)
    numbers = {name: number for number, name in enumerate(status.fleet.services)}
    holds: dict[tuple[str, str], set[bool | None]] = defaultdict(set)
    for each in status.needs:
        holds[each.user, each.need.service].add(each.judgement.holds)
    nodes = []
    for name, service in status.fleet.services.items():
        column, row = layout.places[name]
        node = {"name": name, "text": describe(status, service), "column": column, "row": row}
        nodes.append({**node, "outside": service.is_outside})
    edges = [
        {
            "from": numbers[user],
            "to": numbers[name],
            "satisfied": overall(holds[user, name]),
            "via": [list(place) for place in layout.ways[user, name]],
        }
        for user in needed
        for name in sorted(needed[user])
    ]
    return nodes, edges


def _running(status: Status) -> dict[str, Any]:
    rows: list[list[str | int]] = []
    for name, service in status.fleet.services.items():
        for running in service.running:
            commits = ", ".join(each[:12] for each in running.commits) or "unknown"
            verified = _VERIFIED[running.is_verified]
            rows.append([name, running.version, len(running.replicas), commits, verified])
        if service.silent:
            rows.append([name, "not known (silent)", len(service.silent), "", ""])
        if service.is_outside:
            rows.append([name, describe(status, service), "", "", ""])
    return {"columns": ["Service", "Version", "Replicas", "Commit", "Verified"], "rows": rows}


def _needs(status: Status) -> dict[str, Any]:
    rows = [
        [
            f"{each.user} {each.version}",
            each.need.name,
            each.need.requires,
            {"satisfied": each.judgement.holds, "why": each.judgement.why},
        ]
        for each in status.needs
    ]
    return {"columns": ["Service", "Needs", "Requires", "Holds"], "rows": rows}


def _refusals(counts: Mapping[Refusal, int]) -> list[dict[str, Any]]:
    """The most frequent first; what never happened is left out."""
    refused = sorted((-count, *refusal) for refusal, count in counts.items() if count)
    return [
        {"reason": reason, "generation": generation, "enforced": enforced, "count": -count}
        for count, reason, generation, enforced in refused
    ]
