"""A program that runs for as long as it is measured, on its own cores, and what it uses.

It is ended by its process id, whatever happens. What it says goes into a file of its own, which is
quoted when it fails.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import BenchError

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_END_S = 15.0


class Process:
    """A running program."""

    def __init__(
        self, name: str, popen: subprocess.Popen[bytes], log: Path, started_at: float
    ) -> None:
        self.name = name
        self.started_at = started_at  # time.monotonic, just before its exec
        self._popen = popen
        self._log = log

    def cpu_s(self) -> float:
        """CPU time that all its threads have used, in user and system mode (proc(5), stat)."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def resident_bytes(self) -> int:
        """Memory that it holds now (proc(5), statm)."""
        return int(self._read("statm").split()[1]) * _PAGE_BYTES

    def check(self) -> None:
        """Raise BenchError if it has ended."""
        code = self._popen.poll()
        if code is not None:
            raise BenchError(f"{self.name} ended with {code}: {self._last_words()}")

    def stop(self) -> None:
        """End it, kindly first."""
        self._popen.terminate()
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _read(self, file: str) -> str:
        self.check()
        return Path(f"/proc/{self._popen.pid}/{file}").read_text()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def pinned(cores: Iterable[int], command: Sequence[str | Path]) -> list[str]:
    """The command, on these cores alone; taskset(1) becomes the program, so the id is its own."""
    listed = ",".join(str(core) for core in sorted(cores))
    return ["taskset", "--cpu-list", listed, *map(str, command)]


@contextmanager
def started(
    name: str, command: Sequence[str | Path], cores: Iterable[int], log: Path
) -> Iterator[Process]:
    """Run a program for as long as the context lasts."""
    started_at = time.monotonic()
    with log.open("wb") as said:
        # The commands are built in this package, of paths and numbers alone.
        popen = subprocess.Popen(  # noqa: S603
            pinned(cores, command),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # A Ctrl-C is for the benchmark, which ends what it started in its own order.
            start_new_session=True,
        )
    process = Process(name, popen, log, started_at)
    try:
        yield process
    finally:
        process.stop()
