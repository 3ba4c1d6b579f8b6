"""``sidecar fleet serve``, started as its users start it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.functional.client import PATIENCE_S
from tests.functional.sidecar_process import (
    COMMAND,
    ROOT,
    clean_environment,
    free_port,
    wait_until,
)


class FleetPage:
    """One process; ``place`` says whom it asks, ``listens_on`` its address."""

    def __init__(
        self, directory: Path, place: Sequence[str], listens_on: str = "127.0.0.1"
    ) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self._output = directory / "fleet-page.log"
        listen = f"{listens_on}:{port}"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*COMMAND, "fleet", "serve", "--listen", listen, "--interval", "1s", *place],
                cwd=ROOT,
                env=clean_environment({}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_there(self) -> None:
        def is_there() -> bool:
            assert self._process.poll() is None, self.said
            return f"The fleet is at {self.url} until Ctrl-C." in self.said

        wait_until(is_there, "the page is there")

    @property
    def said(self) -> str:
        return self._output.read_text()

    def stop(self) -> int:
        """End it as Kubernetes does; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        assert "Traceback" not in self.said, self.said
        return code
