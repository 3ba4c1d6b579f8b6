"""What a large configuration costs: the sidecar with many rules or keys beside a plain one.

The rules are so many that only the last of them matches; of the keys, one signs.
"""

from collections.abc import Iterator

from benchmarks.bench import Bench, turn
from benchmarks.measures.throughput import load_samples
from benchmarks.proxies.sidecar import KIND, WITH_KEYS, WITH_RULES
from benchmarks.samples import Sample
from benchmarks.wrk import press

_WARM_UP_S = 1


def measure_scale(bench: Bench) -> Iterator[Sample]:
    """Warm requests, the same as of the plain comparison."""
    tokens = bench.write_tokens("reused.txt", bench.tokens.reused)
    with bench.fleet([KIND, WITH_RULES, WITH_KEYS]) as proxies:
        for proxy in proxies:
            press(proxy, tokens, _WARM_UP_S)
        for number in range(bench.amounts.rounds):
            for proxy in turn(proxies, number):
                load = press(proxy, tokens, bench.amounts.seconds)
                yield from load_samples("scale", proxy.name, number, load)
