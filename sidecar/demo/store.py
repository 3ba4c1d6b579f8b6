"""The embedded store: what every sidecar told in the course of the demo, where no Prometheus is.

It asks each of them twice a second and enters what it hears, and who is silent or gone, in the same
history that evidence from a Prometheus ends up in. Nothing is kept when the demo ends.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from sidecar.demo.pods import Pod
from sidecar.fleet.replicas import METRICS, key_ids, read_replica
from sidecar.fleet.source import Sample
from sidecar.rotation.history import History
from sidecar.rotation.replica import Fleet
from sidecar.tokens.keyring import natural_order

#: Seconds between two questions to one sidecar.
INTERVAL_S = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Store:
    """``pods``: those that are there now. ``watched_since``: before any of them ran."""

    name = f"an embedded store, which asks every sidecar each {INTERVAL_S:g} s"

    def __init__(self, pods: Callable[[], Mapping[str, Pod]], watched_since: float) -> None:
        self._pods = pods
        self._watched_since = watched_since
        self._history = History(INTERVAL_S)
        self._known: set[str] = set()
        self._key_ids: set[str] = set()
        self._held_since: dict[str, float] = {}

    def options(self) -> list[str]:
        """See ``observer.Source``: the sidecars of now."""
        return [word for pod in self._pods().values() for word in ("--target", pod.admin_url)]

    async def close(self) -> None:
        """Nothing stays open."""

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                await self._ask_all(session)
                await asyncio.sleep(INTERVAL_S)

    async def fleet(self) -> Fleet:
        """Everything that was heard so far, as evidence."""
        return self._history.fleet(
            sorted(self._key_ids, key=natural_order),
            time.time(),
            self._watched_since,
            self._held_since,
        )

    async def _ask_all(self, session: aiohttp.ClientSession) -> None:
        pods = dict(self._pods())
        await asyncio.gather(*(self._ask(session, pod) for pod in pods.values()))
        for name in self._known - set(self._pods()):
            self._history.gone(name, time.time())
            self._known.discard(name)
        self._known |= set(pods) & set(self._pods())

    async def _ask(self, session: aiohttp.ClientSession, pod: Pod) -> None:
        try:
            async with session.get(f"{pod.admin_url}/metrics", raise_for_status=True) as answer:
                samples = parse_samples(await answer.text(), pod.name)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self._history.silent(pod.service.name, pod.name, time.time())
            return
        replica = read_replica(samples, pod.name, time.time())
        if replica is None:
            self._history.silent(pod.service.name, pod.name, time.time())
            return
        for key_id in key_ids(samples):
            self._key_ids.add(key_id)
        for key_id in replica.ring.key_ids:
            self._held_since.setdefault(key_id, replica.scraped_at)
        self._history.heard(replica)


def parse_samples(text: str, instance: str) -> list[Sample]:
    """What evidence is read from. Raises ValueError for what is no exposition."""
    place = {"job": "demo", "instance": instance}
    lines = (line for line in text.splitlines() if _name(line) in METRICS)
    return [
        Sample(sample.name, {**sample.labels, **place}, sample.value)
        for family in text_string_to_metric_families("\n".join(lines) + "\n")
        for sample in family.samples
    ]


def _name(line: str) -> str:
    return line.partition(" ")[0].partition("{")[0]
