"""Memory of a proxy that has nothing to do, and of one with many callers that all came by."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.bench import Bench
from benchmarks.errors import BenchError
from benchmarks.http import ITEM, connect, read_head, request_head
from benchmarks.samples import Sample

_MIB = 1 << 20
_SETTLE_S = 1.0
_AT_ONCE = 32


def measure_memory(bench: Bench) -> Iterator[Sample]:
    """New processes in each round: memory that was once needed is seldom given back."""
    for number in range(bench.amounts.rounds):
        for kind in bench.kinds:
            with bench.fleet([kind]) as (proxy,), ExitStack() as stack:
                time.sleep(_SETTLE_S)
                idle = proxy.process.resident_bytes()
                yield Sample("memory.idle_mib", proxy.name, number, idle / _MIB)
                connections = [
                    stack.enter_context(connect(proxy.port))
                    for _ in range(bench.amounts.connections)
                ]
                show_tokens(bench.tokens.fresh[: bench.amounts.live_tokens], connections)
                loaded = proxy.process.resident_bytes()
                yield Sample("memory.loaded_mib", proxy.name, number, loaded / _MIB)


def show_tokens(tokens: Sequence[str], connections: Sequence[socket.socket]) -> None:
    """Every token once, on connections that stay open, few at a time as callers are."""
    for start in range(0, len(tokens), _AT_ONCE):
        used = []
        for offset, token in enumerate(tokens[start : start + _AT_ONCE]):
            connection = connections[(start + offset) % len(connections)]
            connection.sendall(request_head(ITEM, token))
            used.append(connection)
        for connection in used:
            _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    head = read_head(connection)
    missing = head.length - head.received
    while missing > 0:
        received = len(connection.recv(missing))
        if not received:
            raise BenchError("an answer broke off")
        missing -= received
    if head.status != 200:
        raise BenchError(f"a valid token was answered {head.status}")
