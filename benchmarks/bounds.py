"""What the sidecar must reach, and whether it does."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.samples import Samples


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit for a figure, or for its ratio to a peer's where ``peer`` names one.

    ``is_least`` says whether more is better. ``program`` is the sidecar, in one of its setups.
    """

    what: str
    figure: str
    limit: float
    is_least: bool
    peer: str | None = None
    unit: str = ""
    program: str = "sidecar"

    @property
    def phrase(self) -> str:
        """The limit in writing."""
        sign = ">=" if self.is_least else "<="
        return f"{sign} {self.limit:g}" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, slots=True)
class Judged:
    """A bound with what was measured; None where it was not."""

    bound: Bound
    value: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether it is held; None where nothing was measured."""
        if self.value is None:
            return None
        if self.bound.is_least:
            return self.value >= self.bound.limit
        return self.value <= self.bound.limit


BOUNDS: Sequence[Bound] = (
    Bound("requests/s warm, of HAProxy's", "warm.requests_per_s", 1.0, True, "haproxy", "x"),
    Bound("requests/s warm, of Envoy's", "warm.requests_per_s", 2.0, True, "envoy", "x"),
    Bound("requests/s cold, of Envoy's", "cold.requests_per_s", 0.8, True, "envoy", "x"),
    Bound("p99 at a fixed rate, of Envoy's", "latency.p99_ms", 1.5, False, "envoy", "x"),
    Bound(
        "p99 beside 1,000 slow clients, of alone",
        "slow.p99_ms",
        2,
        False,
        "sidecar",
        "x",
        "sidecar-slow-clients",
    ),
    Bound("download speed, of Envoy's", "download.mib_per_s", 0.7, True, "envoy", "x"),
    Bound("upload speed, of Envoy's", "upload.mib_per_s", 0.7, True, "envoy", "x"),
    Bound("memory taken by a download", "download.growth_mib", 8, False, unit="MiB"),
    Bound("memory taken by an upload", "upload.growth_mib", 8, False, unit="MiB"),
    Bound("memory idle", "memory.idle_mib", 64, False, unit="MiB"),
    Bound("memory loaded", "memory.loaded_mib", 110, False, unit="MiB"),
    Bound("ready after its exec", "startup.ready_s", 0.8, False, unit="s"),
    Bound(
        "requests/s intercepted, of direct", "intercepted.requests_per_s", 0.95, True, "direct", "x"
    ),
    Bound(
        "opaque download, of HAProxy's in TCP mode",
        "opaque_download.mib_per_s",
        0.5,
        True,
        "haproxy",
        "x",
    ),
    Bound(
        "opaque upload, of HAProxy's in TCP mode",
        "opaque_upload.mib_per_s",
        0.5,
        True,
        "haproxy",
        "x",
    ),
    Bound(
        "requests/s with 500 rules, of without",
        "scale.requests_per_s",
        0.9,
        True,
        "sidecar",
        "x",
        "sidecar-rules",
    ),
    Bound(
        "requests/s with 50 keys, of with one",
        "scale.requests_per_s",
        0.9,
        True,
        "sidecar",
        "x",
        "sidecar-keys",
    ),
    Bound(
        "requests/s with 100,000 live tokens, of without a ledger",
        "issuing.requests_per_s",
        0.97,
        True,
        "sidecar-no-ledger",
        "x",
        "sidecar-issues",
    ),
    Bound(
        "memory of the ledger with them",
        "issuing.memory_mib",
        25,
        False,
        unit="MiB",
        program="sidecar-issues",
    ),
    Bound("first paint of the console", "console.first_paint_ms", 300, False, unit="ms"),
    Bound("CPU while the console is open", "console.cpu_percent", 2, False, unit="%"),
    Bound(
        "requests/s with the console open, of without",
        "console.requests_per_s",
        0.98,
        True,
        "sidecar",
        "x",
        "sidecar-console",
    ),
    Bound("first step of the demo", "demo.first_step_s", 60, False, unit="s"),
    Bound("whole story of the demo", "demo.whole_s", 150, False, unit="s"),
)


def judge(samples: Samples) -> list[Judged]:
    """Each bound with its value."""
    return [Judged(bound, _value(bound, samples)) for bound in BOUNDS]


def _value(bound: Bound, samples: Samples) -> float | None:
    if bound.peer is None:
        return samples.median(bound.figure, bound.program)
    return samples.ratio(bound.figure, bound.program, bound.peer)
