"""A client in another namespace than the pod's, on a socket as it wants it."""

import socket
from collections.abc import Sequence

from tests.functional.client import PATIENCE_S, Client
from tests.functional.pod.namespaces import PORT, sockets_of

Option = tuple[int, int, bytes]


class Caller(Client):
    """A connection from another namespace."""

    def __init__(
        self,
        host: str,
        port: int = PORT,
        *,
        peer: str = "client",
        from_port: int = 0,
        protocol: int = 0,
        options: Sequence[Option] = (),
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with sockets_of(peer):
            self.socket = socket.socket(family, socket.SOCK_STREAM, protocol)
        self._unread = b""
        try:
            self.socket.settimeout(PATIENCE_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for option in options:
                self.socket.setsockopt(*option)
            self.socket.bind(("", from_port))
            self.socket.connect((host, port))
        except BaseException:
            self.socket.close()
            raise
