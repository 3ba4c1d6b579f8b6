"""Just enough HTTP/1.1 over a blocking socket to ask one thing and to know the answer."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.errors import BenchError

ITEM = "/api/items/7"
_HEAD_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Head:
    """A message's first line, its body's length, and how much of that came with the head.

    ``length`` is 0 where none is told.
    """

    first_line: bytes
    length: int
    received: int

    @property
    def status(self) -> int:
        """The status code, of an answer."""
        return int(self.first_line.split(b" ", 2)[1])


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def request_head(target: str, token: str | None, method: str = "GET", length: int = 0) -> bytes:
    """A request's head as a plain client writes it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: items.example", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if method in {"POST", "PUT"}:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def connect(port: int) -> socket.socket:
    """A connection to loopback, without Nagle's delay."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_head(sock: socket.socket) -> Head:
    """The next head, of a request or an answer. Raises BenchError when it breaks off."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(_HEAD_BYTES)
        if not piece or len(received) > _HEAD_BYTES:
            raise BenchError("a connection was closed in the head of a message")
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    length = 0
    for line in fields:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return Head(first, length, len(rest))


def ask(port: int, target: str, token: str | None) -> int:
    """The status of one GET on a connection of its own."""
    with connect(port) as sock:
        sock.sendall(request_head(target, token))
        return read_head(sock).status


def is_answering(port: int, target: str, token: str | None) -> bool:
    """Whether the target answers 200 by now."""
    try:
        return ask(port, target, token) == 200
    except (OSError, BenchError):
        return False


def wait_for(condition: Callable[[], bool], timeout_s: float, interval_s: float) -> bool:
    """Ask again and again until it holds; whether it did within the time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
