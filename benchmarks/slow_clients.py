"""Many clients that are slow in every way, in a process of their own.

One in twenty reads nothing of a large answer, nine send a body a byte at a time, ten a head:
``python -m benchmarks.slow_clients PORT COUNT LARGE [TOKEN]``, with the target of the large answer.
"""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.http import connect, request_head

_KINDS = 20
_UPLOAD_BYTES = 100_000
_PRESENT = "all are there\n"


@contextmanager
def slow_clients(port: int, count: int, large: str, token: str | None = None) -> Iterator[None]:
    """They are at it for as long as the context lasts. BenchError where one did not stay."""
    words = [str(port), str(count), large, *([] if token is None else [token])]
    # The words are the caller's own.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "benchmarks.slow_clients", *words],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            if process.stdout is None or process.stdout.readline() != _PRESENT:
                raise BenchError("the slow clients could not connect")
            yield
            if process.poll() is not None:
                raise BenchError("the slow clients did not stay")
        finally:
            process.kill()


def _run(port: int, count: int, large: str, token: str | None) -> None:
    """Until the standard input ends. Each that sends sends a byte a second."""
    os.nice(19)  # on a core that it shares, it is not to hold up whoever measures
    body = request_head("/upload", token, "POST", _UPLOAD_BYTES)
    head = request_head("/", token).removesuffix(b"\r\n") + b"X-Slow: "
    clients: list[socket.socket] = []
    readers: list[socket.socket] = []
    for number in range(count):
        kind = number % _KINDS
        client = connect(port)
        if not kind:
            client.sendall(request_head(large, token))
            readers.append(client)
        else:
            client.sendall(body if kind < _KINDS // 2 else head)
            clients.append(client)
    sys.stdout.write(_PRESENT)
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        for client in clients:
            client.send(b"x")
            time.sleep(1 / count)


if __name__ == "__main__":
    _run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], next(iter(sys.argv[4:]), None))
