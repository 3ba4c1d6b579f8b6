"""Asks the application beside us which version it is, and compares that with what is stated.

The application may start after us, and its image may be replaced while we go on, so it is asked
again and again. What it said last stays until it says something else: an application that is busy
or restarting has not changed its version. Started by ``app`` in its task group where
``version.verify`` is set.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from sidecar.errors import SidecarError, VersionError
from sidecar.versions.answer import parse_answer
from sidecar.versions.statement import Statement

log = logging.getLogger("sidecar.dependencies")

INTERVAL_S: Final = 30.0
_FIRST_RETRY_S: Final = 0.5


class Application:
    """``ask`` brings the body of its answer, or raises a :class:`SidecarError`; ``on_change`` is
    called with each new statement."""

    def __init__(
        self,
        statement: Statement,
        ask: Callable[[], Awaitable[bytes]],
        on_change: Callable[[Statement], None],
    ) -> None:
        self.statement = statement
        self._ask = ask
        self._on_change = on_change
        self._trouble = ""
        self._retry_s = _FIRST_RETRY_S

    async def run(self) -> None:
        """Ask over and over, until cancelled."""
        while True:
            has_answered = await self.check()
            self._retry_s = _FIRST_RETRY_S if has_answered else min(self._retry_s * 2, INTERVAL_S)
            pause_s = INTERVAL_S if has_answered else self._retry_s
            await asyncio.sleep(pause_s * random.uniform(0.9, 1.1))  # noqa: S311 - no secret

    async def check(self) -> bool:
        """Ask once; whether it answered with a version."""
        try:
            reported = parse_answer(await self._ask()).version
        except VersionError as error:
            self._note_trouble(f"it {error.detail}")
        except SidecarError as error:
            self._note_trouble(error.detail.rstrip("."))
        except Exception:
            log.exception("A fault of the sidecar itself ended a question to the application.")
        else:
            self._trouble = ""
            if reported != self.statement.reported:
                self.statement = replace(self.statement, reported=reported)
                self._announce()
                self._on_change(self.statement)
            return True
        return False

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.info("The application does not say its version: %s.", trouble)
        self._trouble = trouble

    def _announce(self) -> None:
        statement = self.statement
        data = {**statement.version.as_object(), **statement.document()}
        if statement.is_verified is False:
            log.warning(
                "The application says another version than its image is stamped with.",
                extra={"data": data},
            )
        elif statement.is_verified:
            log.info("The application confirms its version.", extra={"data": data})
        else:
            log.warning(
                "Whether the version is right is not known: only one side says it.",
                extra={"data": data},
            )
