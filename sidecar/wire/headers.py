"""Which fields of a message travel on, and which end here (RFC 9110, section 7.6.1).

Drops the hop-by-hop fields and those that ``Connection`` names, adds the forwarding fields, and
keeps every other field's order, spelling and repetition. What a client says about *who* it is
belongs to ``wire.identity``.

Called by ``proxy.stages``.
"""

import re
from collections.abc import Callable, Set
from typing import Final

from sidecar.wire.head import Field, Head, RequestHead, ResponseHead, field_lines

#: Meant for the next hop only, whatever Connection says (RFC 9110, section 7.6.1; the last row by
#: long custom).
HOP_BY_HOP: Final = frozenset(
    b"connection te transfer-encoding upgrade "
    b"keep-alive proxy-connection proxy-authenticate proxy-authorization http2-settings".split()
)

#: What :func:`forwarding_lines` writes itself.
REWRITTEN: Final = frozenset((b"x-forwarded-for", b"x-request-id", b"forwarded"))

#: Fields that nobody may have dropped by naming them in Connection: they say where the message
#: goes and ends, what it is, who sent it, and how it came.
_NEVER_DROPPED: Final = frozenset(
    b"host content-length transfer-encoding content-type content-encoding authorization cookie "
    b"x-forwarded-proto x-forwarded-host".split()
)

# Nearly every Connection field is one of these, and names no other field.
_KEEP_ALIVE: Final = frozenset((b"keep-alive", b"Keep-Alive"))
_PLAIN_CONNECTION: Final = _KEEP_ALIVE | {b"close", b"Close"}

# What a request id may look like: visible ASCII, so that it is safe in logs and in a header field.
_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}")

# A quoted-string (RFC 9110, section 5.6.4) that is not closed.
_OPEN_QUOTE: Final = re.compile(rb'(?:[^"]|"(?:[^"\\]|\\.)*+")*+"')

_NOTHING: Final[frozenset[bytes]] = frozenset()
_MAX_REMEMBERED: Final = 2048


class Filter:
    """Says of a field name whether it ends here, and remembers what it said.

    ``is_ours`` is asked once for each name that is not hop-by-hop anyway. ``guarded``
    names have been looked at in the head: Connection cannot drop them, and no trailer adds to them.
    The memory is bounded: a client can make it forget, not grow.
    """

    __slots__ = ("_guarded", "_is_ours", "_verdicts")

    def __init__(
        self, is_ours: Callable[[bytes], bool], *, guarded: Set[bytes] = frozenset()
    ) -> None:
        self._is_ours = is_ours
        self._guarded = guarded
        self._verdicts: dict[bytes, bool] = {}

    def travelling(self, head: Head) -> list[Field]:
        """The fields that travel on, in order."""
        verdicts = self._verdicts
        named = connection_named(head) - self._guarded
        try:
            fields = [field for field in head.fields if not verdicts[field[0]]]
        except KeyError:
            self._learn(head)
            return self.travelling(head)
        return [field for field in fields if field[0] not in named] if named else fields

    def travelling_trailers(self, head: Head, trailers: list[Field]) -> list[Field]:
        """Those trailers that the head's ``Trailer`` field announced (RFC 9110, section 6.6.2) and
        that may travel on: a forged identity, or a token, is none the better for coming last."""
        announced = set(head.members(b"trailer")) - HOP_BY_HOP - self._guarded
        return [
            field for field in trailers if field[0] in announced and not self._is_ours(field[0])
        ]

    def _learn(self, head: Head) -> None:
        if len(self._verdicts) > _MAX_REMEMBERED:
            self._verdicts.clear()
        for key, *_ in head.fields:
            self._verdicts[key] = key in HOP_BY_HOP or self._is_ours(key)


_response_filter = Filter(lambda key: key == b"trailer")


def connection_named(head: Head) -> Set[bytes]:
    """The lower-case names of the fields that this message's Connection field takes with it."""
    value = head.last.get(b"connection")
    if value is None or (value in _PLAIN_CONNECTION and not head.has_repeated(b"connection")):
        return _NOTHING
    return frozenset(head.members(b"connection")) - _NEVER_DROPPED


def request_id_of(head: RequestHead) -> bytes | None:
    """The client's ``X-Request-ID`` if there is exactly one and it is safe to repeat."""
    value = head.last.get(b"x-request-id")
    if value is None or head.has_repeated(b"x-request-id") or not _REQUEST_ID.fullmatch(value):
        return None
    return value


def forwarding_lines(head: RequestHead, peer: bytes, request_id: bytes) -> bytes:
    """The field lines that tell the application how the request came.

    ``peer`` is the address that connected; it is appended to what earlier proxies wrote.
    ``X-Forwarded-Proto`` and ``-Host`` are kept where an earlier proxy set them: only it knows.
    ``Forwarded`` is continued where one began it (RFC 7239), so that its last word is true too;
    where it ends in an open quote it is begun anew.
    """
    earlier = head.values(b"x-forwarded-for")
    chain = b", ".join([*filter(None, earlier), peer]) if earlier else peer
    last = head.last
    proto = b"" if b"x-forwarded-proto" in last else b"X-Forwarded-Proto: http\r\n"
    host = last.get(b"host")
    if host is None or b"x-forwarded-host" in last:
        forwarded_host = b""
    else:
        forwarded_host = b"X-Forwarded-Host: %b\r\n" % host
    forwarded = _forwarded_line(head, peer) if b"forwarded" in last else b""
    return b"X-Forwarded-For: %b\r\nX-Request-ID: %b\r\nVia: 1.%d sidecar\r\n%b%b%b" % (
        chain,
        request_id,
        head.minor,
        proto,
        forwarded_host,
        forwarded,
    )


def _forwarded_line(head: RequestHead, peer: bytes) -> bytes:
    # A peer without an address is on a unix socket (RFC 7239, section 6.2).
    node = b'"[%b]"' % peer if b":" in peer else peer if b"." in peer else b"unknown"
    earlier = b", ".join(filter(None, head.values(b"forwarded")))
    if not earlier or _OPEN_QUOTE.match(earlier):  # what we add would be a part of the quote
        return b"Forwarded: for=%b\r\n" % node
    return b"Forwarded: %b, for=%b\r\n" % (earlier, node)


def is_upgrade(head: Head) -> bool:
    """Whether the message asks for, or grants, another protocol (RFC 9110, section 7.8)."""
    return b"upgrade" in head.last and head.minor == 1 and b"upgrade" in head.members(b"connection")


def wants_trailers(head: RequestHead) -> bool:
    """Whether the client said ``TE: trailers`` (RFC 9110, section 10.1.4)."""
    return b"te" in head.last and any(
        member.partition(b";")[0].strip() == b"trailers" for member in head.members(b"te")
    )


def wants_keep_alive(head: Head) -> bool:
    """Whether the connection stays open after this message (RFC 9112, section 9.3)."""
    value = head.last.get(b"connection")
    if value is None or (value in _KEEP_ALIVE and not head.has_repeated(b"connection")):
        return head.minor == 1 or value is not None
    options = head.members(b"connection")
    return b"close" not in options and (head.minor == 1 or b"keep-alive" in options)


def response_lines(head: ResponseHead, *, trailers: bool) -> bytes:
    """The status line and the travelling fields of an answer, without its empty line.

    ``trailers``: the client will get trailers, so their announcement travels too.
    """
    if head.travelling is not None and not trailers:
        return head.travelling
    fields = _response_filter.travelling(head)
    lines = b"HTTP/1.1 %d %b\r\n%b" % (head.status, head.reason, field_lines(fields))
    if head.status == 426 and b"upgrade" in head.last:  # RFC 9110, section 15.5.22
        lines += b"Connection: upgrade\r\nUpgrade: %b\r\n" % b", ".join(head.values(b"upgrade"))
    if trailers and b"trailer" in head.last:
        lines += b"Trailer: %b\r\n" % b", ".join(head.values(b"trailer"))
    if not trailers:
        head.travelling = lines
    return lines
