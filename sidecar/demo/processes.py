"""The processes of the demo: started together, ended together, none left behind.

Each leads a process group of its own, so that Ctrl-C in the terminal reaches the demo alone and
the demo decides how they end. Starting and ending block and are never interrupted half-way; the
signals of the meantime are taken by ``demo.interruption`` when the event loop runs again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import sidecar
from sidecar.errors import SidecarError

#: Seconds that a process may take to end by itself before it is killed.
_GRACE_S = 3.0
_PACE_S = 0.05


class ProcessFailed(SidecarError):
    """A process of the demo did not start, or ended before its time."""

    reason = "process_failed"
    title = "A process of the demo failed"


@dataclass(frozen=True, slots=True)
class Process:
    """One running program; both of its outputs go to the file ``log``. ``remedy``: what to do where
    it fails, in a few words."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]
    remedy: str = ""

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self.log.read_text("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def signal(self, number: int) -> None:
        """Signal its whole group, which is there for as long as nobody has waited for it."""
        if self.popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)


class Processes:
    """A context manager at whose end all of them have ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._all: list[Process] = []
        self._ending: list[Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, module: Sequence[str], environ: Mapping[str, str]) -> Process:
        """Start ``python -m MODULE ARGUMENT...``; see ``start_program``."""
        return self.start_program(name, [sys.executable, "-m", *module], environ)

    def start_program(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], remedy: str = ""
    ) -> Process:
        """Start a program in the directory, with NAME.log as its output; see ``Process``."""
        log = self._directory / f"{name}.log"
        with log.open("wb") as output:
            process = Process(
                name,
                log,
                subprocess.Popen(  # noqa: S603 - this program, and no word of a stranger
                    list(command),
                    cwd=self._directory,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                ),
                remedy,
            )
        self._all.append(process)
        return process

    def check(self) -> None:
        """Raise :class:`ProcessFailed` when one has ended by itself."""
        for process in self._all:
            code = process.popen.poll()
            if code is not None:
                remedy = f" ({process.remedy})" if process.remedy else ""
                raise ProcessFailed(
                    f"demo: {process.name} ended with code {code}: {process.last_words()}{remedy}"
                )

    def begin_end(self, process: Process) -> None:
        """Ask one to end, which is no failure; whoever asks waits for it."""
        process.signal(signal.SIGTERM)
        self._ending.append(process)
        self._all.remove(process)

    def stop(self) -> None:
        """End all of them at once: asked first, killed after a few seconds."""
        self._all += self._ending
        self._ending.clear()
        deadline = time.monotonic() + _GRACE_S
        while self._all and time.monotonic() < deadline:
            # Again and again: told once more, a sidecar does not wait for anybody.
            for process in self._all:
                process.signal(signal.SIGTERM)
            time.sleep(_PACE_S)
            self._all = [each for each in self._all if each.popen.poll() is None]
        for process in self._all:
            process.signal(signal.SIGKILL)
            process.popen.wait()
        self._all.clear()


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without anything that configures a sidecar, and with this very code found first.

    The demo shows what its own configuration does, whatever the caller's shell has set.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("SIDECAR_")}
    code = str(Path(sidecar.__file__).parent.parent)
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (code, kept.get("PYTHONPATH"))))}
