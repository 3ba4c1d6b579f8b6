"""How long somebody waits for the demo in a fresh checkout: for its first step, and for its end.

Packages come from the cache of the package installer, as far as it has them.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.errors import BenchError
from benchmarks.processes import pinned
from benchmarks.programs import find_program
from benchmarks.samples import Sample

_ROOT = Path(__file__).parents[2]
_COMMAND = ("make", "--no-print-directory", "demo", "ARGS=--once --plain")
_FIRST_STEP = "step 1 is done"
_LAST_WORDS = 10


def measure_demo(bench: Bench) -> Iterator[Sample]:
    """One whole story, of what is committed; it has both cores, as its user has."""
    checkout = bench.directory / "checkout"
    _clone(checkout)
    # A make inside of `make bench` would be told its targets and flags.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    began_at = time.monotonic()
    # The command is this file's own.
    process = subprocess.Popen(  # noqa: S603
        pinned(bench.cores.every, _COMMAND),
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    try:
        for line in process.stdout or ():
            said.append(line)
            if _FIRST_STEP in line:
                yield Sample("demo.first_step_s", "sidecar", 0, time.monotonic() - began_at)
        code = process.wait()
    finally:
        process.terminate()
        process.wait()
    if code != 0:
        raise BenchError(f"the demo ended with {code}: {' | '.join(said[-_LAST_WORDS:])}")
    yield Sample("demo.whole_s", "sidecar", 0, time.monotonic() - began_at)


def _clone(checkout: Path) -> None:
    git = find_program("git")
    if git is None or shutil.which("make") is None or not (_ROOT / ".git").exists():
        raise BenchError("the demo is measured in a fresh clone, which needs git, make and one")
    # Paths of this package alone.
    cloned = subprocess.run(  # noqa: S603
        [git, "clone", "--quiet", "--no-hardlinks", _ROOT, checkout],
        capture_output=True,
        text=True,
        check=False,
    )
    if cloned.returncode != 0:
        raise BenchError(f"the repository could not be cloned: {cloned.stderr.strip()}")
