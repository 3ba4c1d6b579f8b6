"""The tables of a report, as values: what is shown in which order, and how numbers are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bounds import Bound, Judged, judge
from benchmarks.samples import Samples

NAMES: Mapping[str, str] = {
    "direct": "direct",
    "nginx": "nginx, no token check",
    "haproxy": "HAProxy jwt_verify",
    "envoy": "Envoy jwt_authn",
    "sidecar": "sidecar",
}
#: Against whom the sidecar is set.
PEERS = ("haproxy", "envoy")


@dataclass(frozen=True, slots=True)
class _Figure:
    """How a figure is called and written; words in braces come from what was measured."""

    name: str
    label: str
    form: str = ".1f"
    has_ratio: bool = True


_FIGURES = (
    _Figure("warm.requests_per_s", "requests/s, {reused_tokens:,} tokens reused", ",.0f"),
    _Figure("warm.cpu_us_per_request", "CPU per request, tokens reused (us)"),
    _Figure("cold.requests_per_s", "requests/s, every token new", ",.0f"),
    _Figure("cold.cpu_us_per_request", "CPU per request, every token new (us)"),
    _Figure("latency.p50_ms", "p50 at {rate:,} requests/s (ms)", ".3f"),
    _Figure("latency.p99_ms", "p99 at {rate:,} requests/s (ms)", ".3f"),
    _Figure("latency.added_p50_ms", "p50 added to direct (ms)", ".3f"),
    _Figure("latency.added_p99_ms", "p99 added to direct (ms)", ".3f", has_ratio=False),
    _Figure("download.mib_per_s", "download of {stream_mib:,} MiB (MiB/s)", ",.0f"),
    _Figure("download.cpu_s_per_gib", "CPU for it (s/GiB)", ".2f"),
    _Figure("download.growth_mib", "memory taken by it (MiB)", has_ratio=False),
    _Figure("upload.mib_per_s", "upload of {stream_mib:,} MiB (MiB/s)", ",.0f"),
    _Figure("upload.cpu_s_per_gib", "CPU for it (s/GiB)", ".2f"),
    _Figure("upload.growth_mib", "memory taken by it (MiB)", has_ratio=False),
    _Figure("memory.idle_mib", "memory idle (MiB)"),
    _Figure("memory.loaded_mib", "with {connections:,} connections, {live_tokens:,} tokens (MiB)"),
    _Figure("startup.ready_s", "exec to ready (s)", ".3f"),
)
_SETUPS = {
    "sidecar": "as it comes",
    "sidecar-rules": "500 rules",
    "sidecar-keys": "50 keys",
}
# Figure, what it is, beside which program, and how it is written.
_INTERCEPTED = (
    ("intercepted.requests_per_s", "requests/s, beside addressed directly", "direct", ",.0f"),
    ("intercepted.cpu_us_per_request", "CPU per request (us)", "direct", ".1f"),
    ("opaque_download.mib_per_s", "opaque download (MiB/s), beside HAProxy", "haproxy", ",.0f"),
    ("opaque_upload.mib_per_s", "opaque upload (MiB/s), beside HAProxy", "haproxy", ",.0f"),
)
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def build_comparison(samples: Samples, amounts: Mapping[str, int]) -> Table:
    """Every program's medians, and the sidecar's ratios to its peers; no row without values."""
    words = {**amounts, "stream_mib": amounts["stream_bytes"] >> 20}
    rows = []
    for figure in _FIGURES:
        medians = [samples.median(figure.name, program) for program in NAMES]
        ratios = [
            samples.ratio(figure.name, "sidecar", peer) if figure.has_ratio else None
            for peer in PEERS
        ]
        if any(value is not None for value in medians):
            numbers = [_number(value, figure.form) for value in medians]
            label = figure.label.format(**words)
            rows.append([label, *numbers, *(_ratio(ratio) for ratio in ratios)])
    columns = ["medians", *NAMES.values(), *(f"sidecar / {_short(peer)}" for peer in PEERS)]
    return Table(columns, rows)


def build_scale(samples: Samples) -> Table:
    """The sidecar with large configurations."""
    rows = []
    for program, label in _SETUPS.items():
        rate = samples.median("scale.requests_per_s", program)
        if rate is not None:
            cpu = samples.median("scale.cpu_us_per_request", program)
            ratio = samples.ratio("scale.requests_per_s", program, "sidecar")
            rows.append([label, _number(rate, ",.0f"), _number(cpu, ".1f"), _ratio(ratio)])
    return Table(["configuration", "requests/s", "CPU per request (us)", "of as it comes"], rows)


def build_interception(samples: Samples) -> Table:
    """What the kernel redirects, beside what goes without, or through HAProxy in TCP mode."""
    rows = []
    for figure, label, peer, form in _INTERCEPTED:
        medians = [samples.median(figure, program) for program in (peer, "sidecar")]
        if medians[1] is not None:
            ratio = samples.ratio(figure, "sidecar", peer)
            rows.append([label, *(_number(value, form) for value in medians), _ratio(ratio)])
    return Table(["intercepted", "beside", "sidecar", "sidecar / beside"], rows)


def build_verdicts(samples: Samples) -> Table:
    """What must be reached and what was, of the figures that were measured.

    Beside a ratio of rates stands what it would be by CPU time per request, which is nearly the
    same whatever else the machine was doing: where the two differ, the machine was not quiet.
    """
    columns = ["the sidecar's", "must be", "is", "by CPU time", ""]
    rows = [
        _verdict(judged, samples)
        for judged in judge(samples)
        if samples.median(judged.bound.figure, judged.bound.program) is not None
    ]
    return Table(columns, rows)


def _verdict(judged: Judged, samples: Samples) -> list[str]:
    bound = judged.bound
    said = {True: "met", False: "NOT MET", None: "not measured"}[judged.is_met]
    unit = f" {bound.unit}" if bound.unit and judged.value is not None else ""
    value = _number(judged.value, ".2f") + unit
    return [bound.what, bound.phrase, value, _ratio(_cpu_ratio(bound, samples)), said]


def _cpu_ratio(bound: Bound, samples: Samples) -> float | None:
    measure, _, kind = bound.figure.partition(".")
    if kind != "requests_per_s" or bound.peer is None:
        return None
    return samples.ratio(f"{measure}.cpu_us_per_request", bound.peer, bound.program)


def _short(program: str) -> str:
    return NAMES[program].split(" ", 1)[0]


def _number(value: float | None, form: str) -> str:
    return _ABSENT if value is None else format(value, form)


def _ratio(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.2f} x"
