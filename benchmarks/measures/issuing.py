"""What the ledger and the watching of answers cost: a sidecar with them beside one without.

Both are shown the same distinct tokens first, all of them alive, so that what else remembers tokens
is as full in the one as in the other; what is left of their memory's difference is the ledger's.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.bench import Bench, turn
from benchmarks.fleet import Proxy
from benchmarks.http import connect
from benchmarks.measures.memory import show_tokens
from benchmarks.measures.throughput import load_samples
from benchmarks.proxies.sidecar import WITH_ISSUES, WITHOUT_LEDGER
from benchmarks.samples import Sample
from benchmarks.wrk import CONNECTIONS, press

_MIB = 1 << 20
_WARM_UP_S = 1


def measure_issuing(bench: Bench) -> Iterator[Sample]:
    """Warm requests with a ledger full of live tokens; then the memory that it took."""
    tokens = bench.write_tokens("reused.txt", bench.tokens.reused)
    live = bench.tokens.fresh[: bench.amounts.ledger_tokens]
    with bench.fleet([WITHOUT_LEDGER, WITH_ISSUES]) as proxies:
        idle = [proxy.process.resident_bytes() for proxy in proxies]
        for proxy in proxies:
            _fill(proxy, live)
            press(proxy, tokens, _WARM_UP_S)
        for number in range(bench.amounts.rounds):
            for proxy in turn(proxies, number):
                load = press(proxy, tokens, bench.amounts.seconds)
                yield from load_samples("issuing", proxy.name, number, load)
        without, complete = (
            proxy.process.resident_bytes() - before
            for proxy, before in zip(proxies, idle, strict=True)
        )
        yield Sample("issuing.memory_mib", WITH_ISSUES.name, 0, (complete - without) / _MIB)


def _fill(proxy: Proxy, tokens: Sequence[str]) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(proxy.port)) for _ in range(CONNECTIONS)]
        show_tokens(tokens, connections)
