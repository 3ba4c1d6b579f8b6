"""Load at a fixed rate, and how long each answer takes.

Requests fall due at random moments (a Poisson process, the same one for every proxy), whether
earlier ones were answered or not, and an answer's time counts from the moment at which its request
was due: a slow proxy cannot slow its own load down and so look better than it is.

Why not one of the usual programs: wrk knows no rate; hey and h2load keep one for each connection,
all connections in step, so that 32 requests arrive at once every 16 ms and what they measure is
that burst. This one sends 2,000 requests/s with a tenth of a core, and its own delay, which is in
every figure alike, is in the one for the application asked directly.
"""

import gc
import math
import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.errors import BenchError
from benchmarks.http import ITEM, connect, request_head

CONNECTIONS = 32
_SEED = 2026
_PATIENCE_S = 10.0
_ANSWER_BYTES = 65536
_END_OF_ANSWER = b"}"  # of the application's, and of a refusal as JSON too


def measure_latencies_s(
    port: int, tokens: Sequence[str], rate: int, duration_s: float
) -> list[float]:
    """The time of every answer, sorted. Raises BenchError when one is not a success."""
    heads = [request_head(ITEM, token) for token in tokens]
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(port)) for _ in range(CONNECTIONS)]
        gc.disable()  # a collection would be measured as if it were the proxy's
        try:
            return sorted(_run(sockets, heads, _due_times_s(rate, duration_s)))
        finally:
            gc.enable()


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that this share of all values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _due_times_s(rate: int, duration_s: float) -> list[float]:
    # The same arrivals for everyone; nothing here is a secret.
    chance = random.Random(_SEED)  # noqa: S311
    times, at = [], 0.0
    while (at := at + chance.expovariate(rate)) < duration_s:
        times.append(at)
    return times


def _run(
    sockets: Sequence[socket.socket], heads: Sequence[bytes], due_times_s: Sequence[float]
) -> list[float]:
    now = time.perf_counter
    idle, busy = deque(sockets), dict[socket.socket, float]()
    begun: dict[socket.socket, bytes] = {}
    latencies_s: list[float] = []
    sent = 0
    start = now()
    while len(latencies_s) < len(due_times_s):
        while idle and sent < len(due_times_s) and start + due_times_s[sent] <= now():
            sock = idle.popleft()
            busy[sock] = start + due_times_s[sent]
            sock.send(heads[sent % len(heads)])
            sent += 1
        can_send = idle and sent < len(due_times_s)
        wait_s = start + due_times_s[sent] - now() if can_send else _PATIENCE_S
        # select, not epoll: its time-out is in microseconds.
        readable, _, _ = select.select(tuple(busy), (), (), max(0.0, wait_s))
        if not readable and not can_send:
            raise BenchError("a request at a fixed rate was not answered")
        for sock in readable:
            answer = begun.pop(sock, b"") + _receive(sock)
            if answer.endswith(_END_OF_ANSWER):
                latencies_s.append(now() - busy.pop(sock))
                _check(answer)
                idle.append(sock)
            else:
                begun[sock] = answer
    return latencies_s


def _receive(sock: socket.socket) -> bytes:
    received = sock.recv(_ANSWER_BYTES)
    if not received:
        raise BenchError("a connection was closed at a fixed rate")
    return received


def _check(answer: bytes) -> None:
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise BenchError("an answer at a fixed rate was not the application's")
