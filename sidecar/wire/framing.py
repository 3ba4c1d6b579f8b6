"""What ends a message, and what makes that ambiguous (RFC 9112, section 6).

Refuses every message about whose end two readers could differ: that difference is request
smuggling. Also checks the request's target and Host against each other, since which site and path
a request is for is the other thing that readers must not see differently.

Called by ``proxy.connection`` for requests and ``upstream.connection`` for responses.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from sidecar.errors import MethodNotServed, RequestError, UpstreamMalformed
from sidecar.wire.head import Head, RequestHead, ResponseHead

#: Lengths that are not a number of bytes.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

# Content-Length = 1*DIGIT (RFC 9110, section 8.6); 15 digits are 909 TiB. A leading zero is allowed
# there, but some readers take it for octal.
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,14}")

# uri-host [ ":" port ] (RFC 9110, section 7.2): a name or IPv4 address, or an IP literal in
# brackets. No userinfo, no list, no white space.
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9\-._~!$&'()*+;=%]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9\-._~]+)?\])(?::[0-9]{0,5})?"
)

# absolute-form = absolute-URI (RFC 9112, section 3.2.2); only the schemes this port can mean.
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?]*)(.*)")

_CHUNKED_CODING: Final = b"chunked"


class Target(NamedTuple):
    """Where a request goes: what is forwarded, the path and query that rules look at, and the site
    that an absolute target names."""

    forwarded: bytes
    path: bytes
    query: bytes | None = None
    authority: bytes | None = None


def request_length(head: RequestHead) -> int:
    """The number of body bytes that follow this head, or :data:`CHUNKED`.

    Raises :class:`RequestError` where RFC 9112, section 6.3, leaves room for doubt.
    """
    if b"transfer-encoding" in head.last:
        if head.minor == 0:
            raise RequestError("Transfer-Encoding has no meaning in HTTP/1.0.")
        if b"content-length" in head.last:
            raise RequestError("Both Content-Length and Transfer-Encoding are given.")
        if not _is_chunked(head):
            raise RequestError("The only transfer coding that is understood is 'chunked'.")
        return CHUNKED
    if b"content-length" in head.last:
        length = _content_length(head)
        if length is None:
            raise RequestError("Content-Length must be one number.")
        return length
    return 0


def response_length(head: ResponseHead, method: str) -> int:
    """The number of body bytes that follow this answer to ``method``, :data:`CHUNKED` or
    :data:`UNTIL_CLOSE`.

    Raises :class:`UpstreamMalformed` for lengths that contradict each other.
    """
    last = head.last
    length: int | None = None
    if b"content-length" in last:
        length = _content_length(head)
        if length is None:
            raise UpstreamMalformed("The application's Content-Length is not one number.")
    if b"transfer-encoding" in last:
        if length is not None or head.minor == 0 or not _is_chunked(head):
            raise UpstreamMalformed("The application's answer has a doubtful Transfer-Encoding.")
        length = CHUNKED
    if method == "HEAD" or head.status < 200 or head.status in (204, 304):
        return 0
    return UNTIL_CLOSE if length is None else length


def read_target(head: RequestHead) -> Target:
    """Where the request goes, after its target and Host were found to agree.

    Raises :class:`RequestError`, or :class:`MethodNotServed` for CONNECT.
    """
    if head.method == "CONNECT":
        raise MethodNotServed("CONNECT is not served: this is a reverse proxy.")
    host = _one_host(head)
    target = head.target
    if target.startswith(b"/"):
        return _split(target)
    if target == b"*" and head.method == "OPTIONS":
        return Target(target, target)
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RequestError("The request target is neither a path nor an absolute URI.")
    authority, rest = absolute.groups()
    if not _is_host(authority):
        raise RequestError("The authority of the request target is malformed.")
    if host is not None and host.lower() != authority.lower():
        raise RequestError("The request target and the Host field name different sites.")
    if not rest:
        rest = b"*" if head.method == "OPTIONS" else b"/"
    return _split(rest if rest.startswith((b"/", b"*")) else b"/" + rest, authority)


def _split(target: bytes, authority: bytes | None = None) -> Target:
    path, mark, query = target.partition(b"?")
    return Target(target, path, query if mark else None, authority)


def _one_host(head: RequestHead) -> bytes | None:
    # RFC 9112, section 3.2: a 400 for a missing, repeated or invalid Host.
    host = head.last.get(b"host")
    if host is None:
        if head.minor == 0:
            return None
        raise RequestError("The Host field is missing.")
    if head.has_repeated(b"host"):
        raise RequestError("There is more than one Host field.")
    if not _is_host(host):
        raise RequestError("The Host field is not HOST or HOST:PORT.")
    return host


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _is_chunked(head: Head) -> bool:
    return (
        not head.has_repeated(b"transfer-encoding")
        and head.last[b"transfer-encoding"].lower() == _CHUNKED_CODING
    )


def _content_length(head: Head) -> int | None:
    return (
        None
        if head.has_repeated(b"content-length")
        else _parse_length(head.last[b"content-length"])
    )


@lru_cache(maxsize=1024)
def _parse_length(value: bytes) -> int | None:
    return None if _LENGTH.fullmatch(value) is None else int(value)
