"""Ctrl-C and its relatives, as the cancellation of one task.

The first signal cancels the task, so that everything is put away on the way out; the next ones
change nothing, since that is under way. Used by ``demo.performance``.
"""

import asyncio
import signal
from typing import Any


class Interruption:
    """Whether the demo was told to end, and the exit code that says so."""

    def __init__(self) -> None:
        self._number: int | None = None

    @property
    def exit_code(self) -> int | None:
        """128 + the signal's number, as a shell says it; None while there was none."""
        return None if self._number is None else 128 + self._number

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Cancel the task at the first signal, until its event loop closes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the end of the terminal is meant to be ignored.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._interrupt, number, task)

    def _interrupt(self, number: int, task: asyncio.Task[Any]) -> None:
        if self._number is None:
            self._number = number
            task.cancel()
