"""A server that reads a body to its end, keeps nothing, and then answers.

Uploads go here: nginx would answer before it has read what it throws away, and so measure nothing.
It is a process of its own: ``python -m benchmarks.sink PORT``.
"""

import socket
import sys
import threading

from benchmarks.errors import BenchError
from benchmarks.http import read_head

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n"
_PIECE_BYTES = 1 << 20


def serve(port: int) -> None:
    """Answer on this port of loopback until the process is ended."""
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_answer_all, args=(sock,), daemon=True).start()


def _answer_all(sock: socket.socket) -> None:
    with sock:
        try:
            while True:
                _answer(sock)
        except (OSError, BenchError):
            return  # the other side has gone


def _answer(sock: socket.socket) -> None:
    head = read_head(sock)
    if head.first_line.startswith(b"POST") and not head.length:
        raise BenchError("an upload of a known length came without it")
    missing = head.length - head.received
    buffer = bytearray(_PIECE_BYTES)
    while missing > 0:
        # MSG_TRUNC: the kernel throws the bytes away uncopied (tcp(7)).
        received = sock.recv_into(buffer, min(missing, _PIECE_BYTES), socket.MSG_TRUNC)
        if not received:
            raise BenchError("an upload broke off")
        missing -= received
    sock.sendall(_ANSWER)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
