"""What a thousand slow clients do to the latency of a fast one."""

import time
from collections.abc import Iterator
from contextlib import nullcontext

from benchmarks.application import LARGE_FILE
from benchmarks.bench import Bench, turn
from benchmarks.errors import BenchError
from benchmarks.http import ITEM, connect, request_head
from benchmarks.pacing import percentile
from benchmarks.proxies.sidecar import PATIENT
from benchmarks.samples import Sample
from benchmarks.slow_clients import slow_clients

_SLOW = 1000
_WARM_UP_S = 2.0
_BESIDE = "sidecar-slow-clients"
_ANSWER_BYTES = 65536
_SUCCESS = b"HTTP/1.1 200 "


def measure_slow_clients(bench: Bench) -> Iterator[Sample]:
    """One process, with the fast client alone and beside them, in turns."""
    token = bench.tokens.reused[0]
    count = _SLOW // 10 if bench.amounts.is_quick else _SLOW
    with bench.fleet([PATIENT]) as (proxy,):
        for number in range(bench.amounts.rounds):
            for name in turn(["sidecar", _BESIDE], number):
                slow = slow_clients(proxy.port, count, LARGE_FILE, token)
                with slow if name == _BESIDE else nullcontext():
                    _p99_s(proxy.port, token, _WARM_UP_S)  # until all have been let in
                    p99_s = _p99_s(proxy.port, token, bench.amounts.seconds)
                yield Sample("slow.p99_ms", name, number, p99_s * 1e3)


def _p99_s(port: int, token: str, duration_s: float) -> float:
    """Of one client that asks again as soon as it has its answer."""
    head = request_head(ITEM, token)
    latencies_s: list[float] = []
    end = time.perf_counter() + duration_s
    with connect(port) as sock:
        while (begin := time.perf_counter()) < end:
            sock.sendall(head)
            if not sock.recv(_ANSWER_BYTES).startswith(_SUCCESS):
                raise BenchError("the fast client was not answered with a success")
            latencies_s.append(time.perf_counter() - begin)
    return percentile(sorted(latencies_s), 0.99)
