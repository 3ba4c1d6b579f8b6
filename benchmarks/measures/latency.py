"""How long an answer takes at a rate that every proxy manages easily, and what it adds."""

from collections.abc import Iterator

from benchmarks.bench import Bench, turn
from benchmarks.pacing import measure_latencies_s, percentile
from benchmarks.samples import Sample

_WARM_UP_S = 0.5
_PERCENTILES = {"p50_ms": 0.50, "p99_ms": 0.99}


def measure_latency(bench: Bench) -> Iterator[Sample]:
    """The application directly first, in each round, then every proxy."""
    with bench.fleet() as proxies:
        for proxy in proxies:
            _percentiles_ms(bench, proxy.port, _WARM_UP_S)
        for number in range(bench.amounts.rounds):
            direct = _percentiles_ms(bench, bench.application.port, bench.amounts.seconds)
            for name, value in direct.items():
                yield Sample(f"latency.{name}", "direct", number, value)
            for proxy in turn(proxies, number):
                for name, value in _percentiles_ms(
                    bench, proxy.port, bench.amounts.seconds
                ).items():
                    yield Sample(f"latency.{name}", proxy.name, number, value)
                    yield Sample(f"latency.added_{name}", proxy.name, number, value - direct[name])


def _percentiles_ms(bench: Bench, port: int, duration_s: float) -> dict[str, float]:
    latencies_s = measure_latencies_s(port, bench.tokens.reused, bench.amounts.rate, duration_s)
    return {name: percentile(latencies_s, share) * 1e3 for name, share in _PERCENTILES.items()}
