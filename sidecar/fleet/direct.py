"""Asks the sidecars themselves, at their admin ports: who answers now, and what it says.

Nothing is known of replicas that are gone, or of what was handed out before the first question:
:class:`Direct` remembers from one question to the next, for who goes on watching. A DNS name (a
headless Service) is looked up for every question, so replicas come and go with its addresses.

Each target is bounded in time and size, and none waits for another. Used by the command line and
by the demonstration.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from sidecar.errors import FetchError, FleetError
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.replicas import BEGINNING, CLOCK, SERVICE, key_ids, read_replica
from sidecar.fleet.source import Current, Sample, SilentTarget
from sidecar.net.fetch import Fetcher
from sidecar.net.resolve import Resolver
from sidecar.rotation.history import History
from sidecar.rotation.replica import Replica, watched_since
from sidecar.tokens.keyring import natural_order

TIMEOUT_S: Final = 5.0
MAX_METRICS_BYTES: Final = 16 << 20
_CONCURRENT: Final = 32
_JOB: Final = "direct"
USUAL_INTERVAL_S: Final = 30.0
#: After so many intervals everybody who was there has answered.
_SETTLED: Final = 3.0

_LIMIT: Final = (
    "Only replicas that are there now were asked: what others handed out, or were shown, before "
    "this question is not known. A Prometheus remembers it (--prometheus)."
)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a target said. ``why``: for which reason it said nothing usable."""

    instance: str
    at: float
    samples: tuple[Sample, ...] = ()
    why: str = ""


class Direct:
    """A source (``source.Source``) that is the sidecars themselves.

    ``targets``: URLs of admin ports. ``dns``: ``NAME:PORT``, each of whose addresses is one more
    target. ``interval_s``: how often it is going to be asked. Made inside the event loop; who made
    it closes it.
    """

    def __init__(
        self,
        targets: Sequence[str] = (),
        *,
        dns: str | None = None,
        timeout_s: float = TIMEOUT_S,
        interval_s: float = USUAL_INTERVAL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._targets = tuple(dict.fromkeys(target.rstrip("/") for target in targets))
        self._dns = dns
        self._timeout_s = timeout_s
        self._clock = clock
        self._fetcher = Fetcher()
        self._resolver = Resolver()
        self._places = asyncio.Semaphore(_CONCURRENT)
        self._history = History(interval_s)
        self._interval_s = interval_s
        self._services: dict[str, str] = {}
        self._heard_at: dict[str, float] = {}
        self._listed: frozenset[str] = frozenset()
        self._first_asked_at: float | None = None
        self._began: float | None = None
        self._asked_at: float | None = None
        self._held_since: dict[str, float] = {}
        self._key_ids: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """For messages."""
        if self._dns is not None:
            return f"the sidecars behind {self._dns}"
        count = len(self._targets)
        return self._targets[0] if count == 1 else f"{count} targets"

    async def close(self) -> None:
        """Close every connection."""
        await self._fetcher.close()

    async def current(self, names: Collection[str]) -> Current:
        """See ``source.Source``."""
        at, heard = await self._ask_all()
        wanted = {*names, SERVICE, BEGINNING}
        samples = [s for each in heard for s in each.samples if s.name in wanted]
        silent = [
            SilentTarget(
                _JOB,
                each.instance,
                self._services.get(each.instance, ""),
                self._heard_at.get(each.instance),
                each.why,
            )
            for each in heard
            if not each.samples
        ]
        return Current(at, tuple(samples), tuple(silent))

    async def evidence(self, *, stated_watch: float | None = None) -> Evidence:
        """What is known by now, after asking once more.

        ``stated_watch``: unix seconds from which on, so the caller, everything that was handed out
        was watched. Raises :class:`FleetError`.
        """
        at, heard = await self._ask_all()
        clocks: dict[str, float] = {}
        for each in heard:
            replica = read_replica(each.samples, each.instance, each.at)
            if replica is None:
                self._history.silent(self._services.get(each.instance, ""), each.instance, at)
                continue
            self._enter(replica, each)
            clock = next((s.value for s in each.samples if s.name == CLOCK), None)
            if clock is not None:
                clocks[replica.place] = clock - each.at
        listed = frozenset(each.instance for each in heard)
        for name in self._listed - listed:
            self._history.gone(name, at)
        self._listed = listed
        if self._asked_at is not None and at - self._asked_at > 2 * self._interval_s:
            self._history.nothing_was_scraped(self._asked_at, at)
        self._asked_at = at
        self._first_asked_at = self._first_asked_at or at
        ids = key_ids(sample for each in heard for sample in each.samples)
        self._key_ids |= frozenset(ids)
        began = at if self._began is None else self._began
        fleet = self._history.fleet(
            self._all_ids(),
            at,
            watched_since(began, window_start=self._first_asked_at, stated=stated_watch),
            self._new_keys(at),
        )
        return Evidence(
            fleet=fleet,
            source=self.name,
            key_ids=self._all_ids(),
            clocks_s=clocks,
            interval_s=self._interval_s,
            limits=(_LIMIT,),
        )

    def _enter(self, replica: Replica, heard: _Heard) -> None:
        self._history.heard(replica)
        if replica.watch is not None and self._began is None:
            self._began = heard.at
        for key_id in replica.ring.key_ids:
            self._held_since.setdefault(key_id, heard.at)

    def _new_keys(self, at: float) -> dict[str, float]:
        """When each key was first held, of those that nobody held at first."""
        settled_at = (self._first_asked_at or at) + _SETTLED * self._interval_s
        return {key_id: since for key_id, since in self._held_since.items() if since > settled_at}

    def _all_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._key_ids, key=natural_order))

    # --- asking ------------------------------------------------------------------------------

    async def _ask_all(self) -> tuple[float, list[_Heard]]:
        urls = {_instance(url): url for url in self._targets}
        urls.update(await self._look_up())
        heard = await asyncio.gather(*(self._ask(name, url) for name, url in urls.items()))
        if not any(each.samples for each in heard):
            reasons = "; ".join(f"{each.instance} {each.why}" for each in heard[:3])
            more = f"; and {len(heard) - 3} more" if len(heard) > 3 else ""
            raise FleetError(f"No sidecar answered: {reasons}{more}.")
        return self._clock(), list(heard)

    async def _look_up(self) -> Mapping[str, str]:
        if self._dns is None:
            return {}
        host, _, port = self._dns.rpartition(":")
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._resolver.resolve(host.strip("[]"), int(port), socket.AF_UNSPEC)
        except (OSError, TimeoutError):
            raise FleetError(f"The name {host} of --dns cannot be resolved.") from None
        urls = {}
        for each in found:
            is_ipv6 = each["family"] == socket.AF_INET6
            shown = f"[{each['host']}]" if is_ipv6 else each["host"]
            urls[f"{shown}:{port}"] = f"http://{shown}:{port}"
        return urls

    async def _ask(self, instance: str, url: str) -> _Heard:
        at = self._clock()
        try:
            async with self._places:
                at = self._clock()
                fetched = await self._fetcher.fetch(
                    f"{url}/metrics",
                    ca=None,
                    headers={},
                    deadline_s=self._timeout_s,
                    max_bytes=MAX_METRICS_BYTES,
                )
            samples = tuple(_parse((fetched.content or b"").decode(), instance))
        except FetchError as error:
            return _Heard(instance, at, why=error.detail)
        except (ValueError, KeyError, IndexError):
            return _Heard(instance, at, why="did not answer with metrics")
        service = next((s.labels.get("service") for s in samples if s.name == SERVICE), None)
        if service is None:
            return _Heard(instance, at, why="answered without the metrics of a sidecar")
        self._services[instance] = service
        self._heard_at[instance] = at
        return _Heard(instance, at, samples)


def _instance(url: str) -> str:
    place = URL(url)
    return place.authority.rpartition("@")[2] + place.path.rstrip("/")


def _parse(text: str, instance: str) -> list[Sample]:
    return [
        Sample(sample.name, {**sample.labels, "job": _JOB, "instance": instance}, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("sidecar_")
    ]
