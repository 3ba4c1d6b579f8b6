"""Asks the application something on the sidecar's own behalf: one GET, its whole answer.

It goes the way that requests go, so it reaches the application wherever that listens. Follows no
redirect and takes no more than it was told to. Passed by ``app`` to whoever has the question.
"""

import asyncio

from sidecar.errors import UpstreamError, UpstreamTimeout
from sidecar.upstream.client import Upstream

_REQUEST = (
    b"GET %b HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, */*;q=0.5\r\n"
    b"Accept-Encoding: identity\r\nUser-Agent: sidecar\r\n\r\n"
)


async def ask(upstream: Upstream, path: str, *, deadline_s: float, max_bytes: int) -> bytes:
    """The body of the application's 200 to a GET of ``path``.

    Raises :class:`UpstreamError` where there is none, it is larger, or it is late.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await _ask(upstream, path, max_bytes)
    except TimeoutError:
        raise UpstreamTimeout(f"it did not answer in full within {deadline_s:g} s") from None


async def _ask(upstream: Upstream, path: str, max_bytes: int) -> bytes:
    connection = await upstream.acquire_new()
    try:
        connection.send(_REQUEST % path.encode("ascii"), "GET", upstream.response_deadline())
        head = await connection.next_head()
        while head.status < 200:
            head = await connection.next_head()
        if head.status != 200:
            raise UpstreamError(f"it answered with status {head.status}")
        content = b""
        while piece := await connection.body.read():
            content += piece
            if len(content) > max_bytes:
                raise UpstreamError(f"it answered with more than {max_bytes // 1024} KiB")
        return content
    finally:
        upstream.give_back(connection)
