"""A server of HTTP in the tests' own process, which says nothing where a command listens."""

import sys
from http.server import ThreadingHTTPServer
from typing import Any


class Listener(ThreadingHTTPServer):
    """A client that goes before it has its whole answer is no fault of the server's.

    A traceback of it would stand among the words of the command that is tested.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What else goes wrong is told as ever."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
