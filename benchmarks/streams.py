"""One large body, down or up, as fast as it goes, and what the proxy's memory does meanwhile."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.application import LARGE_FILE
from benchmarks.errors import BenchError
from benchmarks.http import connect, read_head, request_head
from benchmarks.processes import Process

_PIECE_BYTES = 1 << 20
_SAMPLE_S = 0.02


@dataclass(slots=True)
class Growth:
    """How much more memory a process held at most than when the watching began."""

    bytes: int = 0


@contextmanager
def watched_memory(process: Process) -> Iterator[Growth]:
    """Look at the process's memory fifty times a second."""
    before, growth, is_over = process.resident_bytes(), Growth(), threading.Event()

    def watch() -> None:
        while not is_over.wait(_SAMPLE_S):
            growth.bytes = max(growth.bytes, process.resident_bytes() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield growth
    finally:
        is_over.set()
        thread.join()


def download_s(port: int, token: str, size: int) -> float:
    """Seconds for the whole file; raises BenchError when it is not the whole file."""

    def transfer(sock: socket.socket) -> None:
        sock.sendall(request_head(LARGE_FILE, token))
        head = read_head(sock)
        if head.status != 200 or head.length != size:
            raise BenchError(f"a download was answered {head.status}, {head.length} bytes")
        missing, buffer = head.length - head.received, bytearray(_PIECE_BYTES)
        while missing > 0:
            # MSG_TRUNC: the kernel throws the bytes away uncopied (tcp(7)); only the proxy works.
            received = sock.recv_into(buffer, 0, socket.MSG_TRUNC)
            if not received:
                raise BenchError("a download broke off")
            missing -= received

    return _timed(port, transfer)


def upload_s(port: int, token: str, size: int) -> float:
    """Seconds until the answer to the whole body; raises BenchError when it is not a success."""

    def transfer(sock: socket.socket) -> None:
        sock.sendall(request_head("/upload", token, "POST", size))
        piece = memoryview(bytes(_PIECE_BYTES))
        for start in range(0, size, _PIECE_BYTES):
            sock.sendall(piece[: size - start])
        status = read_head(sock).status
        if status != 200:
            raise BenchError(f"an upload was answered {status}")

    return _timed(port, transfer)


def _timed(port: int, transfer: Callable[[socket.socket], None]) -> float:
    with connect(port) as sock:
        start = time.perf_counter()
        transfer(sock)
        return time.perf_counter() - start
