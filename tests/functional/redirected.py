"""Connections that look redirected, without a kernel that redirects.

Started as a program, this is the sidecar itself, but for the question to the kernel: it takes the
destination from the source address. A connection from 127.A.B.C was made to port A * 256 + B of
this host, from 127.0.0.1 to no other than it reached; with C = 2 to another host.
"""

import contextlib
import socket
import sys
import threading
from collections.abc import Callable

from tests.functional.client import PATIENCE_S, Client

COMMAND = (sys.executable, "-m", "tests.functional.redirected")
ELSEWHERE = "198.51.100.7"  # RFC 5737: nobody's


class Redirected(Client):
    """A client that connected to ``port``, and reached ``address`` instead."""

    def __init__(self, address: tuple[str, int], port: int, *, is_elsewhere: bool = False) -> None:
        source = f"127.{port >> 8}.{port & 255}.{2 if is_elsewhere else 1}"
        self.socket = socket.create_connection(address, PATIENCE_S, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, f"ended after {data!r}"
            data += piece
        return data

    def is_reset(self) -> bool:
        """Wait for the end; whether it is a reset."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            return True
        return False


def is_reset_at_once(address: tuple[str, int], port: int) -> bool:
    """Whether such a connection is reset unasked: perhaps so soon that connecting fails already."""
    try:
        with Redirected(address, port) as client:
            return client.is_reset()
    except ConnectionResetError:
        return True


class Service:
    """A server of some protocol on loopback; ``talk`` is called for each connection, on a thread
    of its own. Keeps what went wrong until :meth:`close`."""

    def __init__(self, talk: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        self._talk = talk
        self._failures: list[BaseException] = []
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything; raises what went wrong on a thread."""
        for opened in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            self.accepted += 1
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._talk(connection)
        except OSError:
            pass  # the other side hung up
        except BaseException as error:
            self._failures.append(error)


def main() -> None:
    """Be the sidecar."""
    from sidecar.net import original_dst
    from sidecar.setting import Address

    def told_by_the_source(accepted: object) -> Address | None:
        name = accepted.getpeername()  # type: ignore[attr-defined]
        if not isinstance(name, tuple):
            return None
        high, low, last = (int(part) for part in str(name[0]).split(".")[1:])
        port = high * 256 + low
        return Address(ELSEWHERE if last == 2 else "127.0.0.1", port) if port else None

    original_dst.original_destination = told_by_the_source

    from sidecar.cli.main import main as sidecar

    sys.argv[0] = "sidecar"
    sidecar()


if __name__ == "__main__":
    main()
