"""A client that sends exactly the bytes it is told to, and reads answers with h11.

h11 shares no code with the sidecar, so it is a judge of what the sidecar writes.
"""

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import h11

#: Far beyond what anything takes, even on a slow machine: only a hang gets there.
PATIENCE_S = 20.0

#: ``("127.0.0.1", 8000)``, or the path of a unix socket.
Address = tuple[str, int] | str

Fields = list[tuple[bytes, bytes]]


class Truncated(Exception):
    """The connection ended before the answer was complete."""


@dataclass(frozen=True)
class Response:
    """One answer. ``raw`` is all of its bytes, with the interim answers that came before it."""

    raw: bytes
    status: int
    reason: bytes
    fields: Fields
    body: bytes
    trailers: Fields
    interim: list[tuple[int, Fields]] = field(default_factory=list)

    def values(self, name: str) -> list[bytes]:
        """The values of the fields of that name, in any spelling of it."""
        return values(self.fields, name)

    def value(self, name: str) -> bytes:
        """The value of the one field of that name."""
        (value,) = self.values(name)
        return value

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem_reason(self) -> str:
        """The ``reason`` of an answer that the sidecar gave itself."""
        assert self.value("Content-Type") == b"application/problem+json", self
        return str(self.json()["reason"])


def values(fields: Iterable[tuple[bytes, bytes]], name: str) -> list[bytes]:
    """The values of the fields of that name, in any spelling of it."""
    wanted = name.lower().encode()
    return [value for key, value in fields if key.lower() == wanted]


def open_socket(address: Address, *, patience_s: float = PATIENCE_S) -> socket.socket:
    """A connected socket."""
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(patience_s)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection
    connection = socket.create_connection(address, timeout=patience_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Client:
    """One connection to a server."""

    def __init__(self, address: Address) -> None:
        self.socket = open_socket(address)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send every byte in a segment of its own."""
        for byte in data:
            self.socket.sendall(bytes((byte,)))

    def end_sending(self) -> None:
        """Tell the server that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def response(self, method: str = "GET") -> Response:
        """Read exactly one answer to ``method``; what follows it stays for the next call.

        Raises :class:`Truncated`, and h11's errors for what is not HTTP.
        """
        reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "any")]))
        reader.send(h11.EndOfMessage())
        raw, self._unread = bytearray(self._unread), b""
        if raw:
            reader.receive_data(bytes(raw))
        interim: list[tuple[int, Fields]] = []
        final: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._next_event(reader, raw)
            if event is h11.NEED_DATA:
                raw += self._receive(reader, raw)
            elif isinstance(event, h11.InformationalResponse):
                interim.append((event.status_code, event.headers.raw_items()))
            elif isinstance(event, h11.Response):
                final = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise Truncated(f"instead of an answer came {event!r} after {bytes(raw)!r}")
        self._unread = reader.trailing_data[0]
        end = len(raw) - len(self._unread)
        assert final is not None
        return Response(
            raw=bytes(raw[:end]),
            status=final.status_code,
            reason=bytes(final.reason),
            fields=final.headers.raw_items(),
            body=bytes(body),
            trailers=event.headers.raw_items(),
            interim=interim,
        )

    @staticmethod
    def _next_event(reader: h11.Connection, raw: bytearray) -> Any:
        try:
            return reader.next_event()
        except h11.RemoteProtocolError as error:
            if reader.trailing_data[1]:
                raise Truncated(f"ended after {len(raw)} bytes: {bytes(raw[-200:])!r}") from error
            raise

    def _receive(self, reader: h11.Connection, raw: bytearray) -> bytes:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError as error:
            raise Truncated(f"cut after {len(raw)} bytes: {bytes(raw[-200:])!r}") from error
        reader.receive_data(data)
        return data

    def exchange(self, request: bytes) -> Response:
        """Send one request and read its answer."""
        self.send(request)
        return self.response(request.partition(b" ")[0].decode())

    def rest(self) -> bytes:
        """Everything that comes until the server ends the connection, cleanly or not."""
        data = bytearray(self._unread)
        self._unread = b""
        try:
            while piece := self.socket.recv(1 << 18):
                data += piece
        except ConnectionError:
            pass
        return bytes(data)


def request(
    target: str = "/",
    *fields: str,
    method: str = "GET",
    body: bytes = b"",
    token: str | None = None,
    host: str = "thoughts.example",
) -> bytes:
    """The bytes of a plain request; ``fields`` are field lines without their CRLF."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def heard_before_the_cut(address: Address, raw: bytes = b"") -> bytes:
    """What comes on a connection that the server ends at once: perhaps so soon that connecting
    fails already."""
    try:
        with Client(address) as client:
            if raw:
                client.send(raw)
            return client.rest()
    except ConnectionError:
        return b""
