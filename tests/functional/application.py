"""The application behind the sidecar: a server that keeps every byte that it was sent.

What it answers is up to the test: ``application.answer`` is called for each request head, on a
thread of its own for each connection, and may send any bytes at all.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import h11

from tests.functional.client import PATIENCE_S, Fields, values

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

_NO_LINGER = struct.pack("ii", 1, 0)


class Request:
    """What the application was sent. ``body`` is empty until :meth:`Talk.read_body`."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        first, *lines = head[:-4].split(b"\r\n")
        self.method, self.target, self.version = first.split(b" ")
        self.fields: Fields = []
        for line in lines:
            name, _, value = line.partition(b":")
            self.fields.append((name, value.strip(b" \t")))
        self.body = b""
        self.raw_body = b""
        self.trailers: Fields = []

    def values(self, name: str) -> list[bytes]:
        return values(self.fields, name)

    def value(self, name: str) -> bytes:
        (value,) = self.values(name)
        return value

    @property
    def names(self) -> list[bytes]:
        """The names of the fields, in order and spelling."""
        return [name for name, _ in self.fields]


class Talk:
    """One connection from the sidecar."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = b""
        self._unread = b""
        self.is_closed = False

    def next_head(self) -> Request | None:
        """The next request's head; ``None`` when the sidecar has closed the connection."""
        while b"\r\n\r\n" not in self._unread:
            if not self._receive():
                return None
        head, mark, self._unread = self._unread.partition(b"\r\n\r\n")
        return Request(head + mark)

    def read_body(self, request: Request) -> bytes:
        """The body of ``request``, all of it, decoded by h11."""
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        # h11 is stricter about targets than HTTP is; the target has been looked at already.
        _, _, lines = request.head.partition(b"\r\n")
        reader.receive_data(b"%b / HTTP/1.1\r\n%b" % (request.method, lines) + self._unread)
        raw, body = bytearray(self._unread), bytearray()
        self._unread = b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                if not self._receive():
                    raise ConnectionError("the sidecar broke off in the body")
                raw += self._unread
                reader.receive_data(self._unread)
                self._unread = b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                request.trailers = event.headers.raw_items()
                break
            else:
                assert isinstance(event, h11.Request), event
        self._unread = reader.trailing_data[0]
        request.raw_body = bytes(raw[: len(raw) - len(self._unread)])
        request.body = bytes(body)
        return request.body

    def drop(self, size: int) -> None:
        """Read so many bytes of a body and forget them; the first may have come with the head."""
        dropped = min(size, len(self._unread))
        self._unread = self._unread[dropped:]
        while dropped < size:
            data = self.socket.recv(min(size - dropped, 65536))
            if not data:
                raise ConnectionError(f"the sidecar broke off after {dropped} of {size} bytes")
            dropped += len(data)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        for byte in data:
            self.socket.sendall(bytes((byte,)))

    def close(self) -> None:
        """End the connection as a server does that has said everything."""
        self.is_closed = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """End the connection as a server does that has crashed."""
        self.is_closed = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.socket.close()

    def _receive(self) -> bool:
        data = self.socket.recv(1 << 18)
        self.received += data if len(self.received) < 1 << 20 else b""
        self._unread += data
        return bool(data)


Answer = Callable[[Talk, Request], None]


def answering(raw: bytes) -> Answer:
    """Read the whole request, then send these bytes."""

    def answer(talk: Talk, request: Request) -> None:
        talk.read_body(request)
        talk.send(raw)

    return answer


def echo(talk: Talk, request: Request) -> None:
    """Send the request's body back."""
    body = talk.read_body(request)
    kind = request.values("Content-Type") or [b"application/octet-stream"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    talk.send(head % (kind[0], len(body)))
    if request.method != b"HEAD":
        talk.send(body)


class Application:
    """Listens on loopback, or on the unix socket at ``path``."""

    def __init__(self, path: Path | None = None) -> None:
        self.answer: Answer = answering(OK)
        self.requests: list[Request] = []
        self.talks: list[Talk] = []
        self.failures: list[BaseException] = []
        self._path = path
        self._port = 0
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.listen()

    @property
    def url(self) -> str:
        return f"unix:{self._path}" if self._path else f"http://127.0.0.1:{self._port}"

    @property
    def last(self) -> Request:
        """The request that came last."""
        return self.requests[-1]

    def forget(self) -> None:
        """Be as new, but for the connections that are open."""
        self.answer = answering(OK)
        self.requests.clear()

    def listen(self) -> None:
        """Accept connections, where it did before."""
        if self._path:
            self._path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(self._path))
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            self._port = listener.getsockname()[1]
        listener.listen(1024)
        self._listener = listener
        self._start(self._accept, listener)

    def stop_listening(self) -> None:
        """Refuse connections; those that are open stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()

    def hang_up(self) -> None:
        """Close every connection that is open."""
        for talk in self.talks:
            talk.close()

    def close(self) -> None:
        """End everything; raises what went wrong on a thread."""
        self.stop_listening()
        self.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        if self.failures:
            raise self.failures[0]

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(connection)
            self.talks.append(talk)
            self._start(self._serve, talk)

    def _serve(self, talk: Talk) -> None:
        try:
            while not talk.is_closed and (request := talk.next_head()) is not None:
                self.requests.append(request)
                self.answer(talk, request)
        except OSError:
            pass  # the sidecar hung up, or the test did
        except BaseException as error:
            self.failures.append(error)
        finally:
            talk.close()
