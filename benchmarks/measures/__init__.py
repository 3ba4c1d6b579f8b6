"""One file for each thing that is measured; all of them, by the names for ``--only``."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.bench import Bench
from benchmarks.measures.console import measure_console
from benchmarks.measures.demo import measure_demo
from benchmarks.measures.interception import measure_interception
from benchmarks.measures.issuing import measure_issuing
from benchmarks.measures.latency import measure_latency
from benchmarks.measures.memory import measure_memory
from benchmarks.measures.scale import measure_scale
from benchmarks.measures.slow import measure_slow_clients
from benchmarks.measures.startup import measure_startup
from benchmarks.measures.streaming import measure_streams
from benchmarks.measures.throughput import measure_cold, measure_warm
from benchmarks.samples import Sample

MEASURES: Mapping[str, Callable[[Bench], Iterator[Sample]]] = {
    "warm": measure_warm,
    "cold": measure_cold,
    "latency": measure_latency,
    "slow": measure_slow_clients,
    "streams": measure_streams,
    "memory": measure_memory,
    "startup": measure_startup,
    "scale": measure_scale,
    "interception": measure_interception,
    "issuing": measure_issuing,
    "console": measure_console,
    "demo": measure_demo,
}
