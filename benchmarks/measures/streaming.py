"""One gibibyte down and one up, and how much memory a proxy takes for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.bench import Bench, turn
from benchmarks.fleet import Proxy
from benchmarks.http import ITEM, ask
from benchmarks.samples import Sample
from benchmarks.streams import download_s, upload_s, watched_memory

_MIB, _GIB = 1 << 20, 1 << 30
_Transfer = Callable[[int, str, int], float]


@dataclass(frozen=True, slots=True)
class _Passed:
    """What one body took of a proxy."""

    duration_s: float
    cpu_s: float
    growth_bytes: int


def measure_streams(bench: Bench) -> Iterator[Sample]:
    """Both directions, each with processes of its own; the application directly too."""
    application = bench.application
    yield from _measure(bench, "download", download_s, application.port)
    yield from _measure(bench, "upload", upload_s, application.sink_port)


def _measure(
    bench: Bench, direction: str, transfer: _Transfer, upstream_port: int
) -> Iterator[Sample]:
    size, token = bench.amounts.stream_bytes, bench.tokens.reused[0]
    speed = f"{direction}.mib_per_s"
    transfer(upstream_port, token, size)  # the first one pays for the file's way into memory
    with bench.fleet(upstream_port=upstream_port) as proxies:
        for number in range(bench.amounts.rounds):
            duration_s = transfer(upstream_port, token, size)
            yield Sample(speed, "direct", number, size / _MIB / duration_s)
            for proxy in turn(proxies, number):
                passed = _pass_through(transfer, proxy, token, size)
                yield Sample(speed, proxy.name, number, size / _MIB / passed.duration_s)
                cpu_s_per_gib = passed.cpu_s / size * _GIB
                yield Sample(f"{direction}.cpu_s_per_gib", proxy.name, number, cpu_s_per_gib)
                growth_mib = passed.growth_bytes / _MIB
                yield Sample(f"{direction}.growth_mib", proxy.name, number, growth_mib)


def _pass_through(transfer: _Transfer, proxy: Proxy, token: str, size: int) -> _Passed:
    ask(proxy.port, ITEM, token)
    before_s = proxy.process.cpu_s()
    with watched_memory(proxy.process) as growth:
        duration_s = transfer(proxy.port, token, size)
    return _Passed(duration_s, proxy.process.cpu_s() - before_s, growth.bytes)
