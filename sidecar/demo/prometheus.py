"""A real Prometheus for the demo, where one is installed: it scrapes every sidecar each second.

The evidence then comes from its store, in the same way as that of a production fleet does. It
listens on loopback alone; its store is gone when the demo ends.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sidecar.demo.pods import Pod
from sidecar.demo.processes import Processes, clean_environment
from sidecar.demo.reservation import Reservation
from sidecar.errors import FleetError
from sidecar.fleet.past import load_evidence
from sidecar.fleet.prometheus import Prometheus
from sidecar.rotation.replica import Fleet
from sidecar.rotation.succession import Succession

_INTERVAL = "1s"
#: Longer than the demo's story.
_WINDOW_S = 900.0
_LOOK_S = 0.2
_REMEDY = "--prometheus none does without it"


class Scraper:
    """``pods``: those that are there now. ``watched_since``: before any of them ran.

    Made inside the event loop; who made it closes it.
    """

    def __init__(
        self,
        directory: Path,
        port: Reservation,
        pods: Callable[[], Mapping[str, Pod]],
        watched_since: float,
    ) -> None:
        self.url = f"http://{port.address}"
        self._port = port
        self._pods = pods
        self._watched_since = watched_since
        self._directory = directory
        self._targets = directory / "targets.json"
        self._listed: tuple[str, ...] = ()
        self._source = Prometheus(self.url)
        directory.mkdir()

    @property
    def name(self) -> str:
        return f"a real Prometheus at {self.url}, which asks every sidecar each second"

    def options(self) -> list[str]:
        """See ``observer.Source``."""
        return ["--prometheus", self.url]

    def start(self, processes: Processes, program: str) -> None:
        """Start it, with the targets of now."""
        self._list_targets()
        configuration = self._directory / "prometheus.yaml"
        configuration.write_text(json.dumps(self._configuration()))  # JSON is YAML
        command = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._directory / 'store'}",
            f"--web.listen-address={self._port.address}",
            "--log.level=warn",
        ]
        environ = clean_environment(os.environ)
        processes.start_program("prometheus", command, environ, _REMEDY)

    async def run(self) -> None:
        """Tell it which pods there are, until cancelled."""
        while True:
            self._list_targets()
            await asyncio.sleep(_LOOK_S)

    async def fleet(self) -> Fleet:
        """What its store proves; nothing, until it has scraped anybody."""
        try:
            evidence = await load_evidence(
                self._source, _WINDOW_S, stated_watch=self._watched_since
            )
        except FleetError:
            nobody = Succession((), None, {})
            return Fleet(ring=nobody, replicas=(), now=self._watched_since, watched_since=0.0)
        return evidence.fleet

    async def close(self) -> None:
        """Close the connections to it."""
        await self._source.close()

    def _list_targets(self) -> None:
        pods = dict(self._pods())
        if tuple(pods) == self._listed:
            return
        targets = [
            {"targets": [pod.admin_url.removeprefix("http://")], "labels": {"pod": name}}
            for name, pod in pods.items()
        ]
        arriving = self._targets.with_suffix(".arriving")
        arriving.write_text(json.dumps(targets))
        arriving.rename(self._targets)
        self._listed = tuple(pods)

    def _configuration(self) -> dict[str, object]:
        found = [{"files": [str(self._targets)], "refresh_interval": _INTERVAL}]
        job = {"job_name": "sidecars", "scrape_timeout": _INTERVAL, "file_sd_configs": found}
        return {
            "global": {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL},
            "scrape_configs": [job],
        }
