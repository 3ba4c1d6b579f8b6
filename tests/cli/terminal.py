"""A terminal of a given width, in which a command runs, and what stood on it."""

import os
import pty
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence


def run_in_terminal(
    program: Sequence[str],
    *,
    columns: int,
    environment: Mapping[str, str] | None = None,
    interrupt_after: str | None = None,
) -> str:
    """Everything that the program wrote to its terminal, until it ended.

    ``interrupt_after``: Ctrl-C is pressed, once, when this was written.
    """
    awaited = None if interrupt_after is None else interrupt_after.encode()
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, columns))
    environ = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")
    }
    with subprocess.Popen(
        program,
        stdin=its,
        stdout=its,
        stderr=its,
        env={**environ, "TERM": "xterm-256color", **(environment or {})},
        start_new_session=True,
    ) as process:
        os.close(its)
        written = b""
        while chunk := _read(ours):
            written += chunk
            if awaited is not None and awaited in written:
                process.send_signal(signal.SIGINT)
                awaited = None
        process.wait()
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux's way to say that nobody has the other end any more
        return b""
