"""The report of ``GET /dependencies``: what this service needs of others, and what is known of it.

It shows what ``dependencies`` keeps and judges nothing. Times are RFC 3339 in UTC, ``null`` where
there is none. A query in a URL is left out: it may hold a key.
"""

from collections.abc import Sequence
from typing import Any

from sidecar.dependencies.watch import Watch
from sidecar.rotation.moment import format_moment


def build_dependencies_report(watches: Sequence[Watch], now: float) -> dict[str, Any]:
    """The report as JSON-able values. ``satisfied`` of all is ``false`` where it is of one, else
    ``null`` (not known) where it is of one, else ``true``."""
    entries = [_dependency(watch, now) for watch in watches]
    said = [entry["satisfied"] for entry in entries]
    satisfied = False if False in said else (None if None in said else True)
    return {"satisfied": satisfied, "dependencies": entries}


def _dependency(watch: Watch, now: float) -> dict[str, Any]:
    """``version`` and ``commit`` are of the last answer, which is ``age_s`` seconds old."""
    probe, status = watch.probe, watch.status
    return {
        "name": probe.name,
        "url": probe.settings.url.partition("?")[0],
        "requires": str(probe.requirement),
        "gate": probe.settings.gate,
        "state": str(status.finding.state),
        "satisfied": status.finding.is_satisfied,
        "why": status.finding.why,
        "service": status.service or None,
        "version": status.version.version,
        "commit": status.version.commit,
        "age_s": _age_s(status.answered_at, now),
        "asked_at": _moment(status.asked_at),
        "answered_at": _moment(status.answered_at),
        "changed_at": _moment(status.changed_at),
        "last_error": status.last_error,
        "last_error_at": _moment(status.last_error_at),
    }


def _age_s(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(now - at, 0.0), 3)


def _moment(at: float | None) -> str | None:
    return None if at is None else format_moment(at)
