"""One gibibyte down and one up, and how much memory a proxy takes for it."""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, turn
from benchmarks.fleet import Proxy
from benchmarks.http import ITEM, ask
from benchmarks.samples import Sample
from benchmarks.streams import download_s, upload_s, watched_memory

_MIB = 1 << 20
_Transfer = Callable[[int, str, int], float]


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
    with bench.fleet(upstream_port=upstream_port) as proxies:
        for number in range(bench.amounts.rounds):
            duration_s = transfer(upstream_port, token, size)
            yield Sample(speed, "direct", number, size / _MIB / duration_s)
            for proxy in turn(proxies, number):
                duration_s, growth = _watched(transfer, proxy, token, size)
                yield Sample(speed, proxy.name, number, size / _MIB / duration_s)
                yield Sample(f"{direction}.growth_mib", proxy.name, number, growth / _MIB)


def _watched(transfer: _Transfer, proxy: Proxy, token: str, size: int) -> tuple[float, int]:
    ask(proxy.port, ITEM, token)
    with watched_memory(proxy.process) as growth:
        duration_s = transfer(proxy.port, token, size)
    return duration_s, growth.bytes
