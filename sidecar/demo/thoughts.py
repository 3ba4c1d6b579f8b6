"""The Thoughts Backend of the demo: short texts, as in the reference system.

It looks at no token. Who writes is what the sidecar in front says in ``X-Auth-Username``, which no
caller can forge; so it is small, and wrong in none of the ways in which token code is wrong.
The last few hundred are kept in memory, and gone with the process.

Run as ``python -m sidecar.demo.thoughts --port PORT``, on loopback alone; started by ``demo.pods``.
"""

import argparse
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sidecar.demo.serving import add_version, serve

#: The field in which the sidecar passes on the token's ``username``.
USERNAME_FIELD = "X-Auth-Username"

#: So many are remembered: the demo may stay up for long.
_MOST = 200
_NOBODY: Mapping[str, None] = dict.fromkeys(("id", "username", "text", "timestamp"))


class Thoughts:
    """What was thought so far, oldest first, and the routes to it."""

    def __init__(self) -> None:
        self._all: deque[dict[str, Any]] = deque(maxlen=_MOST)
        self._count = 0
        self._add("alice", "Every key was new once")
        self._add("bruce", "It is a very sad thing")

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/thoughts/", self._list_all),
            web.get(r"/api/thoughts/{id:\d{1,9}}/", self._show),
            web.get("/api/me/thoughts/", self._list_mine),
            web.post("/api/me/thoughts/", self._think),
        ]

    def _add(self, username: str, text: str) -> dict[str, Any]:
        self._count += 1
        thought = {
            "id": self._count,
            "username": username,
            "text": text,
            "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        }
        self._all.append(thought)
        return thought

    async def _list_all(self, request: web.Request) -> web.Response:
        sought = request.query.get("search", "")
        return web.json_response([each for each in self._all if sought in each["text"]])

    async def _show(self, request: web.Request) -> web.Response:
        wanted = int(request.match_info["id"])
        found = [each for each in self._all if each["id"] == wanted]
        return web.json_response(found[0] if found else _NOBODY, status=200 if found else 404)

    async def _list_mine(self, request: web.Request) -> web.Response:
        username = _username(request)
        return web.json_response([each for each in self._all if each["username"] == username])

    async def _think(self, request: web.Request) -> web.Response:
        username = _username(request)
        text = (await request.post()).get("text")
        if not isinstance(text, str) or not text:
            return web.json_response({"errors": {"text": "Text of the thought"}}, status=400)
        return web.json_response(self._add(username, text), status=201)


def _username(request: web.Request) -> str:
    """Who asks; a request that came past the sidecar has no such field."""
    username = request.headers.get(USERNAME_FIELD)
    if not username:
        raise web.HTTPUnauthorized
    return username


def build_thoughts() -> web.Application:
    """The application."""
    application = web.Application()
    application.add_routes(Thoughts().routes())
    add_version(application)
    return application


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="The application of the sidecar's demo.")
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    serve(build_thoughts(), port)


if __name__ == "__main__":
    main()
