"""A free port of this machine, kept free for a process that is about to start.

The kernel chooses it. The socket is bound and never listens: nobody else is given the port, and
the process that is meant to have it can listen there, since both allow the address to be shared
(``SO_REUSEADDR``, which the kernel grants as long as only one of the two listens).
"""

import socket
from types import TracebackType


class Reservation:
    """A port on loopback; a context manager that gives it up at its end."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", 0))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"
