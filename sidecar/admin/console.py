"""The console: a page, its style and script, and the events that keep it current.

What the page shows is the ``state`` that it is given (``admin.state``). Nothing on it changes
anything, nothing comes from elsewhere, and its Content-Security-Policy allows nothing else. However
many pages are open, the state is made once a second at most, and not at all while none is.

Joined to the admin port by ``admin.routes``.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: More open pages are told to come back later: each costs a connection.
MAX_PAGES: Final = 32

#: A page that does not take what it is sent for so long is not there any more.
PATIENCE_S: Final = 5.0

_INTERVAL_S: Final = 1.0
# After so long without news both ends are shown that the other is there; the page waits for it.
_KEEP_ALIVE_S: Final = 10.0

_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/console.css": ("console.css", "text/css"),
    "/console.js": ("console.js", "text/javascript"),
}

State = Callable[[], Mapping[str, Any]]


class Console:
    """``state`` is asked for what the page shows; it may raise nothing.

    Its member ``now`` alone does not make it another one.
    """

    def __init__(
        self, state: State, *, max_pages: int = MAX_PAGES, patience_s: float = PATIENCE_S
    ) -> None:
        self._state = state
        self._max_pages = max_pages
        self._patience_s = patience_s
        self._pages = 0
        self._ending = asyncio.Event()
        self._made_at = float("-inf")
        self._document = b""
        self._content: Mapping[str, Any] = {}

    def join(self, app: web.Application) -> None:
        """Add the routes, and let every open page go when the application ends."""
        for path, (name, media_type) in _FILES.items():
            app.router.add_get(path, _file(name, media_type))
        app.router.add_get("/state", self._answer)
        app.router.add_get("/events", self._stream, allow_head=False)
        app.on_shutdown.append(self._end)

    async def _end(self, _: web.Application) -> None:
        self._ending.set()

    async def _answer(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=self._document, content_type="application/json", charset="utf-8")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._pages >= self._max_pages:
            raise web.HTTPServiceUnavailable(
                reason="Too many pages are open.", headers={"Retry-After": "10"}
            )
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        self._pages += 1
        try:
            await response.prepare(request)
            await self._tell(response)
        except ConnectionError:
            pass  # the page was closed
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._pages -= 1
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        """Raises TimeoutError when the page takes nothing."""
        told: Mapping[str, Any] = {}
        told_at = 0.0
        while not self._ending.is_set():
            self._refresh()
            line = b""
            if self._content is not told:
                told = self._content
                line = b"event: state\ndata: %b\n\n" % self._document
            elif time.monotonic() - told_at > _KEEP_ALIVE_S:
                line = b"event: here\ndata: still\n\n"
            if line:
                told_at = time.monotonic()
                async with asyncio.timeout(self._patience_s):
                    await response.write(line)
            with suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_S):
                    await self._ending.wait()

    def _refresh(self) -> None:
        """Have the state of now, or of a second ago; ``_content`` is another object only where it
        says something else."""
        if time.monotonic() - self._made_at < _INTERVAL_S * 0.9:
            return
        state = self._state()
        content = {name: value for name, value in state.items() if name != "now"}
        if content != self._content:
            self._content = content
        self._document = json.dumps(state).encode()
        self._made_at = time.monotonic()


def _file(name: str, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    content = (files("sidecar.admin") / "console" / name).read_bytes()

    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(body=content, content_type=media_type, charset="utf-8", headers=headers)

    return answer
