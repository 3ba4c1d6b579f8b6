"""A line on the terminal while something is waited for, gone when it is over.

It stands on stderr, and only where that is a terminal: a log or a pipe never sees it. What is over
quickly shows nothing. Used by every command that asks somebody else.
"""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.fleet.source import printable

#: Seconds that nobody minds waiting without a word.
_PATIENCE_S = 0.7
_PACE_S = 1.0
_CLEAR_LINE = "\r\x1b[K"


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Say what is waited for, and for how long already, until the context ends.

    ``what`` holds nothing that a stranger wrote.
    """
    if not sys.stderr.isatty():
        yield
        return
    is_over = threading.Event()
    teller = threading.Thread(target=_tell, args=(what, is_over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        is_over.set()
        teller.join()


def say_meanwhile(text: str) -> None:
    """A line on stderr that stays, while something is waited for."""
    _write(f"{_CLEAR_LINE if sys.stderr.isatty() else ''}{printable(text)}\n")


def _tell(what: str, is_over: threading.Event) -> None:
    begun_at = time.monotonic()
    if is_over.wait(_PATIENCE_S):
        return
    while True:
        text = f"sidecar: waiting for {what} ({time.monotonic() - begun_at:.0f} s)"
        # A line that is broken at the margin could not be taken back.
        _write(_CLEAR_LINE + text[: shutil.get_terminal_size().columns - 1])
        if is_over.wait(_PACE_S):
            break
    _write(_CLEAR_LINE)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
