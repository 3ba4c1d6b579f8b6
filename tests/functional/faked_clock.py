"""Another time for a process: libfaketime, without the wrapper that would keep signals from it."""

import functools
import os
import subprocess
import time
from pathlib import Path


@functools.cache
def _library(faketime: Path) -> str:
    """The library that the program ``faketime`` preloads."""
    seen = subprocess.run(
        [str(faketime), "-f", "+0", "env"], capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = [line for line in seen.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
    return line.removeprefix("LD_PRELOAD=")


def clock_at(moment: float, faketime: Path) -> dict[str, str]:
    """The environment of a process for which it is ``moment`` (unix seconds) now.

    Its monotonic clock runs as ever, since event loops wait by it, and so do the times of files.
    """
    return {
        "LD_PRELOAD": _library(faketime),
        "FAKETIME": f"{moment - time.time():+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
        "NO_FAKE_STAT": "1",
        "FAKETIME_NO_CACHE": "1",
        "TZ": "UTC",
        "PATH": os.environ.get("PATH", os.defpath),
    }
