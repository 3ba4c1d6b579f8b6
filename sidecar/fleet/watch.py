"""Asks about a fleet again and again, and keeps what it knows: for a page that stays open.

When the source does not answer, the last picture stays, with the moment since when it is old. Runs
in the task group of ``app.fleet_page``; each question to the source is one after another.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sidecar.errors import FleetError
from sidecar.fleet.ask import ask
from sidecar.fleet.changes import Change, changes_between
from sidecar.fleet.direct import Direct
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.instances import METRICS
from sidecar.fleet.picture import REFUSALS, Picture, count_refusals
from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.rates import load_points
from sidecar.fleet.report import build_report
from sidecar.fleet.services import build_fleet
from sidecar.fleet.state import build_fleet_state
from sidecar.fleet.status import build_status
from sidecar.metrics.history import Accepted, History, Point
from sidecar.rotation.moment import format_moment
from sidecar.rotation.replica import combined_evidence

log = logging.getLogger("sidecar.fleet")

MAX_CHANGES: Final = 40
_FAULT: Final = "A fault of the sidecar itself ended the question."


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: the key that is rotated to, if not the newest, and which services are
    frontends. ``window_s`` and ``stated_watch`` as for ``fleet.ask``."""

    window_s: float
    stated_watch: float | None = None
    new_key: str | None = None
    frontends: Collection[str] = ()


class FleetWatch:
    """``begin`` asks first; ``state`` is what the page shows, from then on."""

    def __init__(
        self,
        source: Prometheus | Direct,
        subject: Subject,
        interval_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._subject = subject
        self._interval_s = interval_s
        self._clock = clock
        self._picture: Picture | None = None
        self._points: Sequence[Point] = ()
        self._counted = History(self._accepted, interval_s=interval_s)
        self._changes: deque[Change] = deque(maxlen=MAX_CHANGES)
        self._answered_at = 0.0
        self._trouble = ""
        self._document: dict[str, Any] = {}

    async def begin(self) -> Evidence:
        """Ask for the first time; what is known of the keys. Raises :class:`FleetError`."""
        return (await self._look()).report.evidence

    async def run(self) -> None:
        """Ask over and over, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.look_again()

    async def look_again(self) -> None:
        """Ask once more; what goes wrong becomes part of the state."""
        try:
            await self._look()
        except FleetError as error:
            self._note_trouble(error.detail)
        except Exception:
            log.exception(_FAULT)
            self._note_trouble(_FAULT)

    def _write(self, picture: Picture) -> None:
        self._document = build_fleet_state(
            picture,
            points=self._points,
            changes=reversed(self._changes),
            lost=self._lost(),
            now=self._clock(),
        )

    def state(self) -> dict[str, Any]:
        """The document of ``fleet.state``; made after each question, not for each page."""
        return {**self._document, "now": format_moment(self._clock())}

    async def _look(self) -> Picture:
        subject = self._subject
        evidence = await ask(
            self._source, window_s=subject.window_s, stated_watch=subject.stated_watch
        )
        current = await self._source.current({*METRICS, REFUSALS})
        picture = Picture(
            build_report(evidence, new_key=subject.new_key, frontends=subject.frontends),
            build_status(build_fleet(current)),
            count_refusals(current),
        )
        points = await self._load_points(picture)
        # Nothing is kept of a question that was not answered to its end: else what it was the first
        # to see would never be told as a change.
        before, self._picture = self._picture, picture
        self._points = self._count_points() if points is None else points
        self._answered_at = self._clock()
        if self._trouble:
            self._changes.append(
                Change(self._answered_at, "info", f"Answers come again from {self._source.name}.")
            )
            self._trouble = ""
        if before is not None:
            self._changes.extend(changes_between(before, picture))
        self._write(picture)
        return picture

    async def _load_points(self, picture: Picture) -> Sequence[Point] | None:
        """What a Prometheus remembers; the sidecars themselves remember nothing."""
        if not isinstance(self._source, Prometheus):
            return None
        at, evidence = picture.status.fleet.asked_at, picture.report.evidence
        newest = evidence.fleet.ring.newest
        return await load_points(self._source, at, evidence.interval_s, newest)

    def _count_points(self) -> Sequence[Point]:
        """What was counted since the beginning, with the picture of now."""
        self._counted.sample(self._clock())
        return self._counted.points

    def _accepted(self) -> Accepted:
        assert self._picture is not None
        evidence = self._picture.report.evidence
        newest = evidence.fleet.ring.newest
        return {
            key_id: (
                "new" if key_id == newest else "old",
                combined_evidence(evidence.fleet, key_id).accepted_total,
            )
            for key_id in evidence.key_ids
        }

    def _note_trouble(self, detail: str) -> None:
        if detail != self._trouble:
            self._changes.append(Change(self._clock(), "warning", detail))
            log.warning("The fleet's source does not answer: %s", detail)
        self._trouble = detail
        if self._picture is not None:
            self._write(self._picture)

    def _lost(self) -> str | None:
        if not self._trouble:
            return None
        since = format_moment(self._answered_at)
        return f"No answer since {since}: {self._trouble}"
