"""The console: a page, its style and script, and the events that keep it current.

The page is the same for one sidecar and for a fleet; what it shows is the ``state`` that it is
given (``admin.state``). Nothing on it changes anything, nothing comes from elsewhere, and its
Content-Security-Policy allows nothing else. However many pages are open, the state is made once a
second at most, and not at all while none is.

Joined to the admin port by ``admin.routes``, and to the fleet's own port by ``cli.fleet``.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: More open pages are told to come back later: each costs a connection.
MAX_PAGES: Final = 32

_INTERVAL_S: Final = 1.0
# After so long without news a line of nothing shows both ends that the other is there.
_KEEP_ALIVE_S: Final = 10.0

_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/console.css": ("console.css", "text/css"),
    "/console.js": ("console.js", "text/javascript"),
}

State = Callable[[], Awaitable[Mapping[str, Any]]]


class Console:
    """``state`` is asked for what the page shows; it may raise nothing."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._pages = 0
        self._ending = asyncio.Event()
        self._lock = asyncio.Lock()
        self._made_at = float("-inf")
        self._made: tuple[bytes, bytes] = (b"", b"")

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
        document, _without_time = await self._current()
        return web.Response(body=document, content_type="application/json", charset="utf-8")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._pages >= MAX_PAGES:
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
        except (ConnectionError, asyncio.CancelledError):
            pass  # the page was closed
        finally:
            self._pages -= 1
        return response

    async def _tell(self, response: web.StreamResponse) -> None:
        told, told_at = b"", 0.0
        while not self._ending.is_set():
            document, without_time = await self._current()
            if without_time != told:
                await response.write(b"event: state\ndata: %b\n\n" % document)
                told, told_at = without_time, time.monotonic()
            elif time.monotonic() - told_at > _KEEP_ALIVE_S:
                await response.write(b": still here\n\n")
                told_at = time.monotonic()
            try:
                async with asyncio.timeout(_INTERVAL_S):
                    await self._ending.wait()
            except TimeoutError:
                continue

    async def _current(self) -> tuple[bytes, bytes]:
        """The state as JSON in one line, and the same without its time, to be compared."""
        async with self._lock:
            if time.monotonic() - self._made_at >= _INTERVAL_S * 0.9:
                state = await self._state()
                rest = {name: value for name, value in state.items() if name != "now"}
                self._made = json.dumps(state).encode(), json.dumps(rest).encode()
                self._made_at = time.monotonic()
            return self._made


def _file(name: str, media_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    content = (files("sidecar.admin") / "console" / name).read_bytes()

    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(body=content, content_type=media_type, charset="utf-8", headers=headers)

    return answer
