"""Answers of our own, as bytes: the version, and what ``proxy.rescue`` has to say."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from sidecar.proxy.exchange import Exchange

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class _DateField:
    """The ``Date`` field line, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
        return self._line


_date = _DateField()
date_line = _date.line


def connection_line(exchange: Exchange) -> bytes:
    """The ``Connection`` field line that the answer needs, perhaps none (RFC 9112, section 9.3).

    Called last before an answer begins: a sidecar that drains ends the connection with it.
    """
    if exchange.connection.is_draining:
        exchange.keep_alive = False
    if not exchange.keep_alive:
        return b"Connection: close\r\n"
    return b"" if exchange.head.minor else b"Connection: keep-alive\r\n"


def write_answer(exchange: Exchange, status: int, fields: bytes, body: bytes) -> None:
    """Write a whole answer of our own; ``fields`` are finished field lines."""
    exchange.status = status
    head = b"HTTP/1.1 %d %b\r\nServer: sidecar\r\n%b%bContent-Length: %d\r\n%b\r\n" % (
        status,
        _PHRASES.get(status, b""),
        date_line(),
        fields,
        len(body),
        connection_line(exchange),
    )
    if exchange.head.method == "HEAD":
        body = b""
    exchange.bytes_out += len(body)
    exchange.connection.write(head + body)
