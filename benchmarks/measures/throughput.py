"""Requests a second, with tokens that come again and with tokens never seen before."""

from collections.abc import Iterator

from benchmarks.bench import Bench, turn
from benchmarks.samples import Sample
from benchmarks.wrk import Load, press

_WARM_UP_S = 1


def measure_warm(bench: Bench) -> Iterator[Sample]:
    """A thousand users come again and again."""
    tokens = bench.write_tokens("reused.txt", bench.tokens.reused)
    with bench.fleet() as proxies:
        for proxy in proxies:
            press(proxy, tokens, _WARM_UP_S)
        for number in range(bench.amounts.rounds):
            for proxy in turn(proxies, number):
                load = press(proxy, tokens, bench.amounts.seconds)
                yield from load_samples("warm", proxy.name, number, load)


def measure_cold(bench: Bench) -> Iterator[Sample]:
    """Nobody comes twice. The processes of each round are new, so that they have seen no token."""
    reused = bench.write_tokens("reused.txt", bench.tokens.reused)
    fresh = bench.write_tokens("fresh.txt", bench.tokens.fresh)
    for number in range(bench.amounts.rounds):
        with bench.fleet() as proxies:
            for proxy in turn(proxies, number):
                press(proxy, reused, _WARM_UP_S)
                load = press(proxy, fresh, bench.amounts.seconds, is_once=True)
                yield from load_samples("cold", proxy.name, number, load)


def load_samples(measure: str, program: str, number: int, load: Load) -> Iterator[Sample]:
    """The two figures of one run of the load generator."""
    yield Sample(f"{measure}.requests_per_s", program, number, load.requests_per_s)
    yield Sample(f"{measure}.cpu_us_per_request", program, number, load.cpu_us_per_request)
