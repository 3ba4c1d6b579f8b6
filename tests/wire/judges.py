"""Two parsers that others wrote, as judges of what reaches the application.

h11 is pure Python and strict; llhttp (in aiohttp) is what Node and aiohttp read requests with. Both
are asked the same question: which requests do these bytes hold?
"""

import asyncio
from dataclasses import dataclass, field

import h11
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser

NO_LIMIT = 1 << 24


@dataclass(frozen=True)
class Judged:
    """One request, as a judge reads it; field names in lower case."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...] = field(default=(), compare=False)


def by_h11(data: bytes) -> list[Judged]:
    """The requests that h11 finds; raises what h11 raises, or on bytes left over."""
    found: list[Judged] = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=NO_LIMIT)
    connection.receive_data(data)
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            assert connection.trailing_data[0] == b"", "bytes are left over that are no request"
            return found
        assert isinstance(event, h11.Request)
        body = b""
        while isinstance(part := connection.next_event(), h11.Data):
            body += bytes(part.data)
        assert isinstance(part, h11.EndOfMessage), f"the body does not end: {part}"
        fields = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        found.append(
            Judged(bytes(event.method), bytes(event.target), fields, body, tuple(part.headers))
        )
        assert connection.our_state is h11.SEND_RESPONSE
        _answer(connection)


def _answer(connection: h11.Connection) -> bool:
    """Answer as a server does; whether the connection goes on."""
    connection.send(h11.Response(status_code=204, headers=[]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


async def by_llhttp(data: bytes) -> list[Judged]:
    """The requests that llhttp finds; raises what aiohttp's parser raises."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(
        BaseProtocol(loop),
        loop,
        NO_LIMIT,
        max_line_size=NO_LIMIT,
        max_field_size=NO_LIMIT,
        max_headers=NO_LIMIT,
        auto_decompress=False,
    )
    messages, _, tail = parser.feed_data(data)
    assert not tail, "bytes are left over that are no request"
    found = []
    for message, payload in messages:
        assert payload.is_eof() or not hasattr(payload, "exception"), "the body does not end"
        body = await payload.read()
        fields = tuple((name.lower(), value) for name, value in message.raw_headers)
        target = message.path.encode("utf-8", "surrogateescape")
        found.append(Judged(message.method.encode(), target, fields, body))
    return found


def prefix_by_h11(data: bytes) -> list[Judged]:
    """The complete requests that h11 finds before it finds fault, or the end of the connection.

    One empty line before a request is skipped (RFC 9112, section 2.2), which h11 does not do.
    """
    found: list[Judged] = []
    while data:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=NO_LIMIT)
        connection.receive_data(data.removeprefix(b"\r\n"))
        try:
            event = connection.next_event()
            body = b""
            while isinstance(part := connection.next_event(), h11.Data):
                body += bytes(part.data)
        except h11.ProtocolError:
            return found
        if not isinstance(event, h11.Request) or not isinstance(part, h11.EndOfMessage):
            return found
        fields = tuple((bytes(name), bytes(value)) for name, value in event.headers)
        found.append(Judged(bytes(event.method), bytes(event.target), fields, body))
        data = connection.trailing_data[0]
        if connection.our_state is not h11.SEND_RESPONSE:
            return found
        if not _answer(connection):
            return found
    return found
