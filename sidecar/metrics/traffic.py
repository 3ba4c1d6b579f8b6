"""Counters of requests, connections and the application's failures.

``Traffic`` is what the proxy adds to on every request, so it is made of plain dictionaries and
lists; as a collector it turns them into samples when it is scraped. It refuses to let a client
choose a label: a method or status code that is not in a closed set is counted as ``other``.
"""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sidecar.errors import (
    UpstreamBrokeOff,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
)

#: The methods of RFC 9110 and PATCH (RFC 5789); CONNECT is not served, but it is asked for.
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)
CODES = range(100, 600)
OTHER = "other"

#: Every reason of ``sidecar_upstream_errors_total``.
UPSTREAM_REASONS = tuple(
    error.reason
    for error in (
        UpstreamError,
        UpstreamRefused,
        UpstreamBrokeOff,
        UpstreamMalformed,
        UpstreamTimeout,
        UpstreamBusy,
    )
)

#: Upper bounds in seconds: from what the sidecar alone costs to the longest sensible answer.
DURATION_BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class Durations:
    """A histogram of durations in seconds."""

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(DURATION_BOUNDS_S) + 1)  # per bucket; the last is +Inf
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """One more, measured with a monotonic clock."""
        self._counts[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def family(self, name: str, documentation: str) -> HistogramMetricFamily:
        """The histogram as samples: cumulative counts, and the sum."""
        buckets, total = [], 0
        for bound, count in zip((*DURATION_BOUNDS_S, float("inf")), self._counts, strict=True):
            total += count
            buckets.append((_text(bound), float(total)))
        return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=self._sum_s)


def _text(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)


class Traffic(Collector):
    """What went through the proxy. ``in_flight`` and ``connections_open`` are set by it."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.connections_open = 0
        self._requests: dict[tuple[str, int], int] = {}
        self._durations = Durations()
        self._upstream_durations = Durations()
        self._upstream_errors = dict.fromkeys(UPSTREAM_REASONS, 0)

    def record(self, method: str, code: int, duration_s: float, upstream_s: float | None) -> None:
        """One request was answered. ``upstream_s``: None where the application was not asked."""
        request = (method if method in METHODS else OTHER, code if code in CODES else 0)
        self._requests[request] = self._requests.get(request, 0) + 1
        self._durations.add(duration_s)
        if upstream_s is not None:
            self._upstream_durations.add(upstream_s)

    def upstream_error(self, reason: str) -> None:
        """The application failed; ``reason`` is the error's, one of ``UPSTREAM_REASONS``."""
        known = reason if reason in self._upstream_errors else UpstreamError.reason
        self._upstream_errors[known] += 1

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        requests = CounterMetricFamily(
            "sidecar_requests",
            "Requests answered, by the sidecar itself or by the application.",
            labels=("method", "code"),
        )
        for (method, code), count in sorted(self._requests.items()):
            requests.add_metric((method, str(code) if code else OTHER), count)
        yield requests
        yield self._durations.family(
            "sidecar_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
        )
        yield self._upstream_durations.family(
            "sidecar_upstream_duration_seconds",
            "From passing a request on to the head of the application's answer.",
        )
        yield GaugeMetricFamily(
            "sidecar_requests_in_flight", "Requests being served now.", value=self.in_flight
        )
        yield GaugeMetricFamily(
            "sidecar_connections_open", "Client connections open now.", value=self.connections_open
        )
        errors = CounterMetricFamily(
            "sidecar_upstream_errors",
            "Requests that the application failed to answer, by reason.",
            labels=("reason",),
        )
        for reason, count in self._upstream_errors.items():
            errors.add_metric((reason,), count)
        yield errors
