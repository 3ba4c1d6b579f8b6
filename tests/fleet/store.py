"""The store of a real Prometheus, filled with a past that the test describes.

``promtool`` writes the blocks, so days of scrapes are there in a moment. Times are seconds before
now, so that a test reads like a story: ``Pod("users-0", since=7200, until=0)``.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.prometheus import Prometheus

HOUR = 3600.0
INTERVAL_S = 30.0
LIFETIME_S = HOUR
LEEWAY_S = 30.0


@dataclass(slots=True)
class Issues:
    """Tokens that a signer hands out under one key, from ``since`` until ``until``."""

    key_id: str
    since: float
    until: float


@dataclass(slots=True)
class Pod:
    """One target. ``runs``: when each run of its sidecar began, in its life.

    ``listed_until``: discovery knows it until then, if that is longer than it answers.
    ``silent``: from when to when scrapes fail. ``is_spared``: outages do not concern it.
    ``says_last_word``: at its end.
    """

    name: str
    since: float
    until: float = 0.0
    service: str = "users-backend"
    keys: Sequence[str] = ("2026-08", "2026-11")
    issues: Sequence[Issues] | None = ()
    listed_until: float | None = None
    silent: Sequence[tuple[float, float]] = ()
    is_spared: bool = False
    says_last_word: bool = False
    runs: Sequence[float] = ()
    unwatched_until: float | None = None
    remembers_since: float | None = None
    enforces: bool = False
    stated: dict[str, float] = field(default_factory=dict)
    #: Of each key: until when its tokens are shown, and when the newest of them was issued.
    presents: dict[str, tuple[float, float]] = field(default_factory=dict)
    max_lifetime_s: float = 2 * HOUR
    clock_ahead_s: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)
    instance: str = ""
    #: Metrics that its scrapes lost on the way, until they were there again.
    lost: Sequence[str] = ()
    found_again: float = 0.0
    #: What discovery puts on it besides, from so many seconds before now on.
    relabelled: tuple[float, dict[str, str]] = (0.0, {})


class Past:
    """A Prometheus whose past is that of the pods, without the ``outages``."""

    def __init__(
        self,
        directory: Path,
        program: Path,
        promtool: Path,
        pods: Sequence[Pod],
        outages: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.now = float(int(time.time()))
        text = directory / "past.txt"
        with text.open("w") as file:
            file.writelines(f"{line}\n" for line in self._lines(pods, outages))
            file.write("# EOF\n")
        (directory / "store").mkdir()
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", text, directory / "store"],
            check=True,
            capture_output=True,
        )
        self.server = Prometheus(program, directory)

    def before(self, ago: float) -> float:
        """Unix seconds."""
        return self.now - ago

    def _lines(self, pods: Sequence[Pod], outages: Sequence[tuple[float, float]]) -> Iterator[str]:
        samples: dict[str, list[tuple[float, float]]] = {}
        for number, pod in enumerate(pods):
            for at, ago in self._scrapes(pod, number, outages):
                for series, value in self._scrape(pod, at, ago):
                    if series.partition("{")[0] in pod.lost and ago >= pod.found_again:
                        continue
                    samples.setdefault(series, []).append((at, value))
        by_metric: dict[str, list[str]] = {}
        for series in samples:
            by_metric.setdefault(series.partition("{")[0], []).append(series)
        for metric, all_series in by_metric.items():
            yield f"# TYPE {metric} gauge"
            for series in all_series:
                for at, value in samples[series]:
                    yield f"{series} {value} {at:.3f}"

    def _scrapes(
        self, pod: Pod, number: int, outages: Sequence[tuple[float, float]]
    ) -> Iterator[tuple[float, float]]:
        ago = pod.since - (number % 7)  # not all at the same second
        end = pod.until if pod.listed_until is None else pod.listed_until
        while ago >= end:
            if pod.is_spared or not any(until <= ago <= since for since, until in outages):
                yield self.before(ago), ago
            ago -= INTERVAL_S

    def _scrape(self, pod: Pod, at: float, ago: float) -> Iterator[tuple[str, float]]:
        instance = pod.instance or f"10.0.0.{pod.name}:15020"
        target = {"job": "sidecars", "instance": instance, "pod": pod.name} | pod.labels
        since, more = pod.relabelled
        target |= more if ago <= since else {}
        answers = ago >= pod.until and not any(u <= ago <= s for s, u in pod.silent)
        yield _series("up", target), float(answers)
        if not answers:
            return
        begun = min(run for run in (pod.since, *pod.runs) if run >= ago)
        begun = begun if pod.remembers_since is None else pod.remembers_since

        def one(name: str, value: float, **labels: str) -> tuple[str, float]:
            return _series(f"sidecar_{name}", target | labels), value

        yield one("observing_since_timestamp_seconds", self.before(begun))
        yield one("service_info", 1, service=pod.service, version="v2.3", commit="a" * 40)
        yield one("clock_timestamp_seconds", at + pod.clock_ahead_s)
        yield one("keyring_info", 1, digest="-".join(pod.keys))
        yield one("switch_enforced", float(pod.enforces))
        yield one("token_max_lifetime_seconds", pod.max_lifetime_s)
        yield one("token_leeway_seconds", LEEWAY_S)
        for key_id in pod.keys:
            generation = "new" if key_id == max(pod.keys) else "old"
            info = {"algorithm": "RS256", "thumbprint": "x", "source": "/keys"}
            yield one("key_info", 1, key=key_id, generation=generation, **info)
            stated = pod.stated.get(key_id)
            since = 0.0 if stated is None else self.before(stated)
            yield one("key_signing_since_timestamp_seconds", since, key=key_id)
            shown = pod.presents.get(key_id)
            used, issued = (self.before(max(end, ago)) for end in shown) if shown else (0.0, 0.0)
            for name, value in _presented(used, issued):
                yield one(name, value, key=key_id)
        if pod.issues is None:
            return
        unwatched = 0.0 if pod.unwatched_until is None else self.before(pod.unwatched_until)
        ended = pod.says_last_word and ago < pod.until + INTERVAL_S
        yield one("issuing_unwatched_until_timestamp_seconds", unwatched)
        yield one("issuing_ended_timestamp_seconds", at if ended else 0.0)
        for key_id in (*pod.keys, "none"):
            pages = [page for page in pod.issues if page.key_id == key_id and page.since >= ago]
            first = min((self.before(page.since) for page in pages), default=0.0)
            last = max((self.before(max(page.until, ago)) for page in pages), default=0.0)
            expiry = last + LIFETIME_S if last else 0.0
            yield one("issued_tokens_total", float(len(pages)), key=key_id, generation="x")
            yield one("issued_key_first_timestamp_seconds", first, key=key_id)
            yield one("issued_key_last_timestamp_seconds", last, key=key_id)
            yield one("issued_key_latest_expiry_timestamp_seconds", expiry, key=key_id)


def _presented(used: float, issued: float) -> Iterator[tuple[str, float]]:
    yield "tokens_accepted_total", float(bool(used))
    yield "key_last_used_timestamp_seconds", used
    yield "key_last_issued_timestamp_seconds", issued
    yield "key_latest_expiry_timestamp_seconds", issued + LIFETIME_S if issued else 0.0
    yield "key_live_tokens", 0.0


def _series(name: str, labels: dict[str, str]) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"
