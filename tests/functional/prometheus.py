"""A real Prometheus on loopback that scrapes real sidecars, and whatever rules it is given."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.functional.client import PATIENCE_S
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

INTERVAL_S = 1

Labels = Mapping[str, str]


class Refused(Exception):
    """Prometheus answered that it cannot do what it was asked."""


class Prometheus:
    """One server with a store of its own in ``directory``.

    Call ``watch`` to say what it scrapes, now and later; ``stop`` ends it.
    """

    def __init__(self, program: Path, directory: Path, rules: Sequence[Path] = ()) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._targets = directory / "targets.json"
        self._targets.write_text("[]")
        self._output = directory / "prometheus.log"
        configuration = directory / "prometheus.yaml"
        configuration.write_text(json.dumps(self._configuration(rules)))  # JSON is YAML
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(program),
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={directory / 'store'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _configuration(self, rules: Sequence[Path]) -> dict[str, Any]:
        every = f"{INTERVAL_S}s"
        return {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {
                    "job_name": "sidecars",
                    "scrape_timeout": every,
                    "file_sd_configs": [{"files": [str(self._targets)], "refresh_interval": every}],
                }
            ],
        }

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            if self._process.poll() is not None:
                raise AssertionError(f"Prometheus did not start: {self._output.read_text()}")
            try:
                self._get("/-/ready")
            except OSError:
                return False
            return True

        wait_until(is_ready, "Prometheus is ready")

    def watch(self, sidecars: Sequence[SidecarProcess], labels: Labels | None = None) -> None:
        """From now on scrape these and no others; ``labels`` are put on all that they say."""
        targets = ["{}:{}".format(*sidecar.admin_address) for sidecar in sidecars]
        renamed = self._targets.with_suffix(".new")
        renamed.write_text(json.dumps([{"targets": targets, "labels": dict(labels or {})}]))
        renamed.rename(self._targets)

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """What the expression is now: the labels and the value of each sample."""
        parameters = urllib.parse.urlencode({"query": expression})
        result = self.ask(f"/api/v1/query?{parameters}")["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def query_range(self, expression: str, *, last_s: float) -> int:
        """How many series the expression has had in the last so many seconds."""
        now = time.time()
        parameters = urllib.parse.urlencode(
            {"query": expression, "start": now - last_s, "end": now, "step": INTERVAL_S}
        )
        return len(self.ask(f"/api/v1/query_range?{parameters}")["result"])

    def wait_for(self, expression: str, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until the expression has a sample."""
        wait_until(lambda: bool(self.query(expression)), expression, patience_s=patience_s)

    def ask(self, target: str) -> Any:
        """The ``data`` of an answer of the HTTP API; Refused with its words where it has none."""
        try:
            return json.loads(self._get(target))["data"]
        except urllib.error.HTTPError as refusal:
            raise Refused(json.load(refusal)["error"]) from None

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _get(self, target: str) -> bytes:
        with urllib.request.urlopen(self.url + target, timeout=PATIENCE_S) as answer:
            body: bytes = answer.read()
        return body
