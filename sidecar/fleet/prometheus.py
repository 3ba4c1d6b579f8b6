"""Asks a Prometheus, or what speaks its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/).

Every question is a read with a deadline and a bound on the answer's size. An answer that Prometheus
itself calls partial is none: evidence that may be missing would read as a zero. Nothing that the
server sends is quoted in a message.

Used by ``past``, which asks what became of each replica, and by ``services`` for what runs now.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from yarl import URL

from sidecar.errors import FetchError, FleetError
from sidecar.fleet.replicas import BEGINNING, SERVICE
from sidecar.fleet.source import (
    Current,
    Sample,
    SilentTarget,
    Target,
    label,
    parse_labels,
    printable,
)
from sidecar.net.fetch import Fetcher
from sidecar.rotation.moment import LAST_MOMENT

TIMEOUT_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 256 << 20
#: A server is not asked more at once: it has others to serve.
_CONCURRENT: Final = 6
#: How far back a replica that is silent now is looked for, to say which service it was.
_REMEMBERED: Final = "1h"
#: How far back a job counts as one of sidecars, though none of them may have answered since. Steps
#: are as long as an instant query looks back, so that nothing is between them.
_JOBS_REMEMBERED: Final = "3d:5m"


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its raw samples: moments (unix seconds) and values."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class KnownTarget:
    """A target as discovery knows it now. ``is_scraped``: it was tried at least once."""

    labels: Mapping[str, str]
    is_scraped: bool
    interval_s: float | None


class _NotThere(FleetError):
    """What was asked for is at no such place of the server."""


#: How servers say that they have no such place; VictoriaMetrics says 400.
_MISSING_PLACE: Final = frozenset((400, 404, 405, 501))


class Prometheus:
    """A source (``source.Source``) that has a history.

    ``match``: label matchers for targets, as in PromQL: ``job="sidecars",fleet="production"``.
    ``ca``: a PEM file of authorities to trust, in place of the system's. Made inside the event
    loop; who made it closes it.
    """

    def __init__(
        self,
        url: str,
        *,
        match: str = "",
        timeout_s: float = TIMEOUT_S,
        ca: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._base = url.rstrip("/")
        self.name = f"Prometheus at {URL(self._base).with_user(None)}"
        self.match = match.strip().strip("{},").strip()
        self._timeout_s = timeout_s
        self._ca = ca
        self._headers = headers
        self._fetcher = Fetcher()
        self._places = asyncio.Semaphore(_CONCURRENT)

    async def close(self) -> None:
        """Close every connection."""
        await self._fetcher.close()

    def selector(self, name: str, *matchers: str) -> str:
        """A series selector: the metric, what the caller matches, and what the user does."""
        return f"{name}{{{','.join(part for part in (*matchers, self.match) if part)}}}"

    async def now(self) -> float:
        """The server's clock: its store is written by it."""
        answer = await self._ask("query", {"query": "time()"})
        try:
            return _moment(answer["result"][1])
        except (KeyError, IndexError, TypeError, ValueError):
            raise self._not_prometheus() from None

    async def vector(self, expression: str, at: float) -> list[Sample]:
        """The value of each series of the expression at a moment."""
        result = await self._query(expression, at)
        try:
            return [
                Sample(labels.get("__name__", ""), labels, float(each["value"][1]))
                for each in result
                for labels in [parse_labels(each["metric"])]
            ]
        except (KeyError, IndexError, TypeError, ValueError):
            raise self._not_prometheus() from None

    async def moments(self, expression: str, at: float) -> list[Sample]:
        """As ``vector``, of an expression whose values are unix seconds."""
        found = await self.vector(expression, at)
        if not all(0 <= sample.value <= LAST_MOMENT for sample in found):
            raise self._not_prometheus()
        return found

    async def raw(self, selector: str, window_s: float, at: float) -> list[Series]:
        """Every sample of the series in the window that ends ``at``."""
        return self._series(await self._query(f"{selector}[{_duration(window_s)}]", at))

    async def range(
        self, expression: str, start: float, end: float, step_s: float
    ) -> list[tuple[float, float]]:
        """An expression that has one series, evaluated from ``start`` to ``end``."""
        parameters = {"query": expression, "start": start, "end": end, "step": step_s}
        answer = await self._ask("query_range", parameters)
        series = self._series(answer.get("result") if isinstance(answer, dict) else None)
        return list(series[0].samples) if series else []

    async def targets(self) -> list[KnownTarget] | None:
        """What discovery knows now; None where the server does not say."""
        try:
            answer = await self._ask("targets", {"state": "active"})
        except _NotThere:  # stores that only speak the query API have no targets
            return None
        try:
            return [
                KnownTarget(
                    labels=parse_labels(each["labels"]),
                    is_scraped=each["health"] != "unknown",
                    interval_s=parse_interval(str(each.get("scrapeInterval", ""))),
                )
                for each in answer["activeTargets"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._not_prometheus() from None

    async def current(self, names: Collection[str]) -> Current:
        """See ``source.Source``."""
        at = await self.now()
        wanted = "|".join(sorted({*names, SERVICE, BEGINNING}))
        questions = (
            self.vector(self.selector("", f'__name__=~"{wanted}"'), at),
            self.vector(self.selector("up"), at),
            self.vector(f"last_over_time({self.selector(SERVICE)}[{_REMEMBERED}])", at),
            self.moments(
                f"max_over_time(timestamp({self.selector(BEGINNING)})[{_REMEMBERED}:15s])", at
            ),
            self.vector(
                f"max_over_time(count by (job) ({self.selector(SERVICE)})[{_JOBS_REMEMBERED}])", at
            ),
        )
        samples, up, services, heard, known_jobs = await asyncio.gather(*questions)
        if not services:
            raise FleetError(f"{self.name} {await why_no_sidecar(self, up)}")
        check_fleets(self, (*services, *up))
        last_service = _last_service(services)
        last_heard = {sample.target: sample.value for sample in heard}
        jobs = {sample.place[0] for sample in (*services, *known_jobs)}
        beginnings = [sample for sample in samples if sample.name == BEGINNING]
        answering = {sample.target for sample in beginnings}
        places = {sample.place for sample in beginnings}
        if places and not any(sample.place in places for sample in up):
            raise FleetError(
                f"{self.name} has no `up` of the sidecars that it has heard, so nobody can tell "
                "which of them are silent; let that metric reach it too."
            )
        silent = [
            SilentTarget(
                *sample.place,
                last_service.get(sample.target, ""),
                last_heard.get(sample.target),
                "it was not scraped",
            )
            for sample in up
            if not sample.value
            and sample.target not in answering
            and (self.match or sample.place[0] in jobs)
        ]
        unscraped = await self._not_yet_scraped(jobs)
        if not (answering or silent or unscraped):
            raise FleetError(
                f"{self.name} has heard sidecars in the last hour and knows none of them now; "
                "check its scrape configuration, and --match."
            )
        return Current(at, tuple(s for s in samples if s.place in places), (*silent, *unscraped))

    async def _not_yet_scraped(self, jobs: Collection[str]) -> list[SilentTarget]:
        return [
            SilentTarget(
                target.labels.get("job", ""),
                target.labels.get("instance", ""),
                "",
                None,
                "it was not scraped yet",
            )
            for target in await self.targets() or ()
            if not target.is_scraped and (self.match or target.labels.get("job") in jobs)
        ]

    async def _query(self, expression: str, at: float) -> list[Any]:
        answer = await self._ask("query", {"query": expression, "time": at})
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, list):
            raise self._not_prometheus()
        return result

    async def _ask(self, endpoint: str, parameters: Mapping[str, Any]) -> Any:
        url = f"{self._base}/api/v1/{endpoint}?{urlencode(parameters)}"
        try:
            async with self._places:
                fetched = await self._fetcher.fetch(
                    url,
                    ca=self._ca,
                    headers=self._headers,
                    deadline_s=self._timeout_s,
                    max_bytes=MAX_ANSWER_BYTES,
                )
            document = json.loads(fetched.content or b"")
            is_whole = document["status"] == "success" and not _is_partial(document)
            data = document["data"]
        except FetchError as error:
            kind = _NotThere if error.answered in _MISSING_PLACE else FleetError
            raise kind(f"{self.name} {error.detail}{self._hint(error.answered)}.") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._not_prometheus() from None
        if not is_whole:
            raise FleetError(f"{self.name} answered only in part, which proves nothing.")
        return data

    def _series(self, result: Any) -> list[Series]:
        try:
            return [
                Series(
                    parse_labels(each["metric"]),
                    [(_moment(at), float(value)) for at, value in each["values"]],
                )
                for each in result
            ]
        except (KeyError, TypeError, ValueError):
            raise self._not_prometheus() from None

    def _hint(self, answered: int | None) -> str:
        if answered == 400 and self.match:
            return " (400 = not understood; is --match a list of label matchers?)"
        if answered == 404:
            return "; give the URL under which its /api/v1/query is"
        return ""

    def _not_prometheus(self) -> FleetError:
        return FleetError(f"{self.name} does not answer as a Prometheus does; check the URL.")


def _last_service(samples: Iterable[Sample]) -> dict[Target, str]:
    """Which service each target was; "" where it was several, and may be any of them."""
    said: dict[Target, set[str]] = defaultdict(set)
    for sample in samples:
        said[sample.target].add(label(sample.labels, "service"))
    return {target: names.pop() if len(names) == 1 else "" for target, names in said.items()}


async def why_no_sidecar(source: Prometheus, up: Collection[Sample], window: str = "") -> str:
    """The end of a sentence that begins with the source's name, which has no sidecar in it."""
    matching = f" that match {{{source.match}}}" if source.match else ""
    when = f" in the last {window}" if window else " now"
    if not up:
        return f"knows no targets{matching}{when}; check the scrape configuration, and --match."
    many = "one target" if len(up) == 1 else f"{len(up)} targets"
    return (
        f"scrapes {many}{matching}, but no metrics of a sidecar{when}; "
        "let it scrape the sidecars' admin ports."
    )


def check_fleets(source: Prometheus, samples: Iterable[Sample]) -> None:
    """Refuse to take several fleets for one: each has a keyring of its own.

    Raises :class:`FleetError`.
    """
    fleets = sorted({printable(sample.labels.get("fleet", "")) for sample in samples} - {""})
    if len(fleets) > 1:
        raise FleetError(
            f"{source.name} scrapes several fleets, each with a keyring of its own: "
            f"{', '.join(fleets)}. Choose one: --match 'fleet=\"{fleets[0]}\"'."
        )


def _is_partial(document: Mapping[str, Any]) -> bool:
    """Thanos says so in warnings, the cluster of VictoriaMetrics by a member of its own."""
    return bool(document.get("warnings") or document.get("isPartial"))


def _moment(value: Any) -> float:
    """Unix seconds; raises ValueError for what no clock shows."""
    at = float(value)
    if not 0 <= at <= LAST_MOMENT:
        raise ValueError
    return at


def parse_interval(text: str) -> float | None:
    """A duration as Prometheus writes it (``1m30s``) in seconds; None where it is none."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    total, rest = 0.0, text
    while rest:
        number = len(rest) - len(rest.lstrip("0123456789"))
        unit = next((unit for unit in units if rest[number:].startswith(unit)), None)
        if not number or unit is None:
            return None
        total += float(rest[:number]) * units[unit]
        rest = rest[number + len(unit) :]
    return total or None


def matchers(labels: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Matchers of exactly these labels' values; a label that is missing matches no value."""
    return [f"{name}={json.dumps(labels.get(name, ''), ensure_ascii=False)}" for name in names]


def _duration(seconds: float) -> str:
    return f"{max(round(seconds * 1000), 1)}ms"
