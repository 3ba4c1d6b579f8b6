"""The stages of a request's way, one function each; ``proxy.pipeline`` puts them in order.

Every stage takes the exchange and what it needs beside it, and either fills in what it found or
raises the error that ends the exchange.
"""

import logging
import random
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.errors import SidecarError, UpstreamError, UpstreamMalformed
from sidecar.proxy.answers import connection_line, date_line
from sidecar.proxy.credentials import Credentials
from sidecar.proxy.exchange import Exchange
from sidecar.upstream.connection import UpstreamConnection
from sidecar.wire.body import chunk, last_chunk
from sidecar.wire.framing import CHUNKED, read_target, request_length
from sidecar.wire.head import Field, ResponseHead, field_lines, parse_request_head
from sidecar.wire.headers import (
    Filter,
    forwarding_lines,
    is_upgrade,
    request_id_of,
    response_lines,
    wants_keep_alive,
    wants_trailers,
)

log = logging.getLogger("sidecar.proxy")

# RFC 9110, section 9.2.2.
_IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))

# Protocols that are HTTP again: a tunnel of them would carry requests that nobody verified.
_NEVER_TUNNELLED: Final = (b"h2", b"http/", b"tls/")

#: Up to this size copying bytes together costs less than another system call.
MAX_JOINED_BYTES: Final = 32 * 1024


def read_head(x: Exchange, max_fields: int) -> None:
    """The head's meaning: method, target, length, all of it unambiguous or refused."""
    x.request_id = b"%032x" % random.getrandbits(128)
    if x.error is not None:
        raise x.error
    x.head = head = parse_request_head(x.raw_head, max_fields)
    if b"x-request-id" in head.last:
        x.request_id = request_id_of(head) or x.request_id
    x.target = read_target(head)
    x.body_length = request_length(head)
    x.keep_alive = x.wanted_keep_alive = wants_keep_alive(head)


def read_body(x: Exchange, max_bytes: int) -> None:
    """Begin to receive the body, if the head announced one."""
    if x.body_length:
        x.body = x.connection.begin_body(x.body_length, max_bytes, awaits_us=x.awaits_us)
        if x.body.is_failed:
            x.body.take()


def is_upgrade_request(x: Exchange) -> bool:
    """Whether to offer the application another protocol on this connection.

    Not with a body: it would have to end before the other protocol begins, and few get that right.
    Not where tokens are handed out: nobody could watch them in there.
    """
    return (
        is_upgrade(x.head)
        and not x.body_length
        and x.issues is None
        and not any(
            protocol.startswith(_NEVER_TUNNELLED) for protocol in x.head.members(b"upgrade")
        )
    )


def is_repeatable(x: Exchange) -> bool:
    """Whether the request may be sent a second time if the first met a closed connection."""
    return x.head.method in _IDEMPOTENT and not x.body.was_read


def request_bytes(x: Exchange, fields: Filter, credentials: Credentials, who: bytes) -> bytes:
    """The head that the application gets, in canonical form.

    ``fields`` and ``credentials`` say what of the client's travels on; ``who`` are the field lines
    about the caller that only we may write.
    """
    head = x.head
    travelling = field_lines(credentials.fields(fields.travelling(head)))
    if b"host" not in head.last:  # HTTP/1.0; the application is spoken to in HTTP/1.1
        travelling = b"Host: %b\r\n%b" % (x.target.authority or b"localhost", travelling)
    lines = forwarding_lines(head, x.connection.peer, x.request_id)
    return b"%b %b HTTP/1.1\r\n%b%b%b%b\r\n" % (
        head.method.encode("ascii"),
        credentials.target(x.target.forwarded),
        travelling,
        lines,
        who,
        _framing_lines(x),
    )


def _framing_lines(x: Exchange) -> bytes:
    last, lines = x.head.last, b""
    if b"transfer-encoding" in last:
        lines += b"Transfer-Encoding: chunked\r\n"
    if b"upgrade" in last and is_upgrade_request(x):
        protocols = b", ".join(x.head.values(b"upgrade"))
        lines += b"Connection: upgrade\r\nUpgrade: %b\r\n" % protocols
    if b"te" in last and wants_trailers(x.head):
        lines += b"TE: trailers\r\n"
    return lines


def send_whole_body(x: Exchange, upstream: UpstreamConnection, fields: Filter) -> None:
    """Pass on a request body that is here in full, without waiting for anybody."""
    data = x.body.take()
    if x.body_length == CHUNKED:
        upstream.write(chunk(data) if data else b"")
        upstream.write(last_chunk(fields.travelling_trailers(x.head, x.body.trailers)))
    else:
        upstream.write(data)


async def send_body(
    x: Exchange, upstream: UpstreamConnection, fields: Filter, deadline: Callable[[], float]
) -> None:
    """Pass the request body on as it comes; ``deadline`` tells when an answer to a request that is
    complete now would be overdue.

    Ends quietly when the application stops listening: its answer, or the lack of one, says what
    there is to say. A body that the client breaks off or malforms ends the whole exchange.
    """
    is_chunked = x.body_length == CHUNKED
    try:
        while data := await x.body.read():
            upstream.write(chunk(data) if is_chunked else data)
            if upstream.is_stalled:
                await upstream.drain()
            upstream.postpone(deadline())
    except UpstreamError:
        return
    except SidecarError as error:
        upstream.fail(error)
        return
    except Exception:
        log.exception("A fault of the proxy itself ended a request body.")
        upstream.fail(SidecarError())
        return
    if is_chunked:
        upstream.write(last_chunk(fields.travelling_trailers(x.head, x.body.trailers)))


def write_interim(x: Exchange, head: ResponseHead) -> None:
    """Pass an interim answer (1xx) on; HTTP/1.0 has none (RFC 9110, section 15.2)."""
    if x.head.minor == 1:
        x.connection.write(response_lines(head, trailers=False) + b"\r\n")
        x.connection.await_body()


async def relay_answer(x: Exchange, upstream: UpstreamConnection, head: ResponseHead) -> None:
    """Write the application's answer to the client as it comes, each byte of the body as it is.

    Small pieces are joined: each write is a system call and a segment of its own. Raises what broke
    the answer off; the caller then cuts the connection.
    """
    client, body = x.connection, upstream.body
    has_length = b"content-length" in head.last or _is_bodyless(x, head)
    is_chunked = not has_length and x.head.minor == 1
    trailers = is_chunked and wants_trailers(x.head)
    x.keep_alive = x.keep_alive and (has_length or is_chunked) and not _leaves_body_unread(x)
    start = _answer_head(x, head, is_chunked=is_chunked, trailers=trailers)
    data = body.take()
    x.status = head.status
    while True:
        x.bytes_out += len(data)
        if is_chunked:
            data = chunk(data) if data else b""
            if body.is_exhausted:
                data += last_chunk(_trailers(x, body.trailers) if trailers else ())
        if len(data) > MAX_JOINED_BYTES:
            client.write(start)
            client.write(data)
        else:
            client.write(start + data)
        if body.is_exhausted:
            return
        if client.is_stalled:
            await client.drain()
        start = b""
        data = await body.read()


def _trailers(x: Exchange, trailers: Sequence[Field]) -> Sequence[Field]:
    """Those that the client gets: none that hands out a token, since the answer is read before."""
    if x.issues is None:
        return trailers
    return [field for field in trailers if field[0] not in x.issues.headers]


def _is_bodyless(x: Exchange, head: ResponseHead) -> bool:
    return x.head.method == "HEAD" or head.status in (204, 304)


def _leaves_body_unread(x: Exchange) -> bool:
    """Whether what is left of the request's body keeps the connection from being used again."""
    if not x.has_unread_body:
        return False
    if x.awaits_us and not x.body.total_bytes:
        # The client may now send the body or its next request, and nobody can tell which.
        return True
    return not x.is_discardable  # not worth reading (RFC 9112, section 9.6)


def _answer_head(x: Exchange, head: ResponseHead, *, is_chunked: bool, trailers: bool) -> bytes:
    start = response_lines(head, trailers=trailers)
    if b"date" not in head.last:
        start += date_line()  # RFC 9110, section 6.6.1
    if is_chunked:
        start += b"Transfer-Encoding: chunked\r\n"
    return start + connection_line(x) + b"\r\n"


def switch_protocols(x: Exchange, head: ResponseHead) -> bytes:
    """The head of a 101 answer to the client, the protocol included.

    Raises :class:`UpstreamMalformed` when nobody asked for another protocol.
    """
    granted, asked = head.members(b"upgrade"), x.head.members(b"upgrade")
    if not granted or not is_upgrade_request(x) or not set(granted) <= set(asked):
        raise UpstreamMalformed("The application switched protocols without being asked.")
    protocols: Sequence[bytes] = head.values(b"upgrade")
    return response_lines(head, trailers=False) + (
        b"Connection: upgrade\r\nUpgrade: %b\r\n\r\n" % b", ".join(protocols)
    )
