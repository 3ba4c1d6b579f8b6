"""The last things that changed, as the log told them, for the console.

A handler of the standard library's log that keeps a few sentences. Requests are none: only rooms
that speak of the sidecar itself are listened to, and they never name a token or a key's text.
Attached by ``app.lifecycle``.
"""

import logging
from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Final

MAX_CHANGES: Final = 40

#: Those whose records are about the sidecar and not about a request.
ROOMS: Final = ("sidecar.keys", "sidecar.app", "sidecar.dependencies")


@dataclass(frozen=True, slots=True)
class Change:
    """One sentence, and when it was said (unix seconds)."""

    at: float
    level: str
    what: str


class Changes(logging.Handler):
    """Keeps the last ``MAX_CHANGES``."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._guard = Lock()  # keys are loaded, and spoken of, in a thread
        self._kept: deque[Change] = deque(maxlen=MAX_CHANGES)

    @property
    def latest(self) -> tuple[Change, ...]:
        """The newest first."""
        with self._guard:
            return tuple(reversed(self._kept))

    def emit(self, record: logging.LogRecord) -> None:
        change = Change(record.created, record.levelname.lower(), record.getMessage())
        with self._guard:
            self._kept.append(change)

    def listen(self) -> None:
        """From now on keep what the rooms say."""
        for room in ROOMS:
            logging.getLogger(room).addHandler(self)

    def ignore(self) -> None:
        """Stop keeping."""
        for room in ROOMS:
            logging.getLogger(room).removeHandler(self)
