"""The ledger, and its memory in ``state_dir``: remembered at start, written ahead, and at the end.

A token that raises what the record on disk says is handed out only once the disk says it too; all
that wait share one write. Everything else is written at most every ``RECORD_AHEAD_S`` seconds. A
disk that fails is an error in the log, once, and no reason to refuse anybody: the record that is
not true any more is removed, so that the next run knows that it knows nothing.

Lives here and not in a room of its own, since it joins the ledger with the disk and the loop, and
nobody but ``app.build`` and ``app.lifecycle`` has to do with it.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sidecar.app.birth import is_accepting
from sidecar.app.state_dir import StateDir
from sidecar.config.settings import Settings
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.record import Record
from sidecar.rotation.snapshot import (
    RECORD_AHEAD_S,
    must_be_recorded,
    restore_ledger,
    take_record,
)
from sidecar.rotation.subjects import Subjects
from sidecar.tokens.issues import IssuePlaces

log = logging.getLogger("sidecar.app")

#: How long an answer waits for the disk.
_DISK_PATIENCE_S = 5.0


class Memory:
    """``places`` is None where no tokens are handed out; ``begins_whole``: nothing was handed out
    before now, or all of it is remembered."""

    def __init__(self, settings: Settings, state: StateDir | None, now: float) -> None:
        self.places = IssuePlaces(settings.auth.issues) if settings.auth.issues else None
        self._state = state
        self._record: Record | None = None
        self._is_failing = False
        self._has_finished = False
        self._has_lost = False  # there was an earlier run, of which nothing is known
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state_dir")
        self._lock = asyncio.Lock()
        record = self._recall(now)
        self.ledger = self._build_ledger(settings, record, now)
        self.begins_whole = self._is_whole(record)

    def _recall(self, now: float) -> Record | None:
        """What an earlier run wrote. One that cannot be replaced by what comes is not believed: it
        would still be there, and be wrong, after this run."""
        if self._state is None:
            return None
        record = self._state.read(now)
        self._has_lost = self._state.has_set_aside
        if record is None:
            return None
        try:
            self._state.write(replace(record, written_at=now))
        except OSError as error:
            self._fail(error)
            self._has_lost = True
            return None
        self._record = record
        return record

    def _build_ledger(self, settings: Settings, record: Record | None, now: float) -> Ledger:
        auth, scope = settings.auth, self.places.scope if self.places is not None else None
        subjects = Subjects(auth.subject_claim) if auth.subject_claim is not None else None
        if record is not None:
            return restore_ledger(
                record,
                leeway_s=auth.leeway_s,
                scope=scope,
                unwatched_until=now,
                subjects=subjects,
            )
        issuing = None
        if scope is not None:
            is_from_birth = not self._has_lost and not is_accepting(settings)
            issuing = Issuing(scope=scope, unwatched_until=None if is_from_birth else now)
        return Ledger(
            observing_since=now, leeway_s=auth.leeway_s, issuing=issuing, subjects=subjects
        )

    def _is_whole(self, record: Record | None) -> bool:
        issuing = self.ledger.issuing
        if issuing is None:
            return True
        if record is None:
            return issuing.unwatched_until is None
        return record.issuing is not None and record.issuing.scope == issuing.scope

    # --- from the loop ---

    async def cover(self) -> None:
        """Return once the disk covers every token that is in the ledger, or has failed."""
        issuing = self.ledger.issuing
        if self._state is None or issuing is None:
            return
        while self._must_write(issuing):
            async with self._lock:
                if self._must_write(issuing):
                    await self._write(take_record(self.ledger, time.time()))

    async def keep(self) -> None:
        """Write what has changed, now and then, until cancelled. A disk that failed is tried again
        with it."""
        while self._state is not None and not self._has_finished:
            async with self._lock:
                await self._write_if_changed()
            await asyncio.sleep(RECORD_AHEAD_S)

    async def finish(self) -> None:
        """Write what is to be remembered: nothing will be added any more."""
        async with self._lock:
            self._has_finished = True
            if self._state is not None:
                await self._write(take_record(self.ledger, time.time(), is_final=True))

    def _must_write(self, issuing: Issuing) -> bool:
        if self._is_failing or self._has_finished:
            return False
        return must_be_recorded(self._record, issuing)

    async def _write_if_changed(self) -> None:
        if self._has_finished:
            return
        record = take_record(self.ledger, time.time())
        before = self._record
        if before is None or record != replace(before, written_at=record.written_at):
            await self._write(record)

    async def _write(self, record: Record) -> None:
        if self._state is None:
            return
        # One thread writes one record after another, also where nobody waits for it any more.
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_DISK_PATIENCE_S):
                await loop.run_in_executor(self._disk, self._state.write, record)
        except (OSError, TimeoutError) as error:
            self._record = None
            self._fail(error)
            self._disk.submit(self._forget)  # as soon as the disk lets us; nobody waits for that
            return
        if self._is_failing:
            log.info("What was seen of keys is remembered again.", extra={"data": self._where})
        self._record, self._is_failing = record, False

    # --- when the disk fails ---

    def _fail(self, error: OSError) -> None:
        if not self._is_failing:
            log.error(
                "What was seen of keys cannot be written to state_dir, so a restart will not "
                "remember it. Make room or mend the volume; everything is served meanwhile.",
                extra={"data": {**self._where, "error": error.strerror or "it takes too long"}},
            )
        self._is_failing = True

    def _forget(self) -> None:
        assert self._state is not None
        if not self._state.forget():
            log.error(
                "The record in state_dir is not true any more and cannot be removed; remove it by "
                "hand before the sidecar is started again.",
                extra={"data": self._where},
            )

    @property
    def _where(self) -> dict[str, object]:
        return {"state_dir": str(self._state.path) if self._state is not None else None}


def open_state_dir(settings: Settings) -> StateDir | None:
    """The directory, locked; None where there is none, or none that can be written.

    Raises :class:`ConfigError` where that is for the user to mend first.
    """
    if settings.state_dir is None:
        return None
    state = StateDir(Path(settings.state_dir), settings.service)
    try:
        state.open()
    except OSError as error:
        log.error(
            "state_dir cannot be written, so nothing is remembered across a restart.",
            extra={"data": {"state_dir": settings.state_dir, "error": error.strerror}},
        )
        return None
    return state
