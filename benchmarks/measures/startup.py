"""How long it takes from exec until a proxy is ready, asked every 5 ms."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.samples import Sample


def measure_startup(bench: Bench) -> Iterator[Sample]:
    """One at a time, with the core to itself."""
    for number in range(bench.amounts.rounds):
        for kind in bench.kinds:
            with bench.fleet([kind]) as (proxy,):
                yield Sample("startup.ready_s", proxy.name, number, proxy.ready_after_s)
