"""The Frontend of the demo: what visitors talk to. It calls the two backends on their behalf.

It knows nothing of keys: a visitor's token goes on to the Thoughts Backend as it came. A replica
that cannot be reached, or that says 503, is passed over for the next, as callers of a Kubernetes
Service do; only when none is left does the visitor hear of it.

Run as ``python -m sidecar.demo.frontend --port PORT --endpoints FILE``, on loopback alone; started
by ``demo.pods``.
"""

import argparse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from sidecar.demo.endpoints import Endpoints
from sidecar.demo.serving import add_version, serve

LOGIN_PATH = "/login"
THOUGHTS_PATH = "/thoughts"

USERS, THOUGHTS = "users-backend", "thoughts-backend"
_USERS_LOGIN = "/api/login"
_MY_THOUGHTS = "/api/me/thoughts/"
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Frontend:
    """The pages, and the client that asks the backends."""

    def __init__(self, endpoints: Path) -> None:
        self._endpoints = Endpoints(endpoints)
        self._client: aiohttp.ClientSession

    async def run_client(self, _: web.Application) -> AsyncIterator[None]:
        """The client lives as long as the application."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as self._client:
            yield

    async def log_in(self, request: web.Request) -> web.Response:
        return await self._pass_on("POST", USERS, _USERS_LOGIN, json=await request.json())

    async def show(self, request: web.Request) -> web.Response:
        return await self._pass_on("GET", THOUGHTS, _MY_THOUGHTS, headers=_token_of(request))

    async def think(self, request: web.Request) -> web.Response:
        data = {"text": (await request.json())["text"]}
        headers = _token_of(request)
        return await self._pass_on("POST", THOUGHTS, _MY_THOUGHTS, data=data, headers=headers)

    async def _pass_on(self, method: str, service: str, path: str, **more: Any) -> web.Response:
        """The answer of the first replica that has one."""
        for url in self._endpoints.of(service):
            try:
                async with self._client.request(method, url + path, **more) as answer:
                    if answer.status != 503:
                        return web.Response(
                            status=answer.status,
                            body=await answer.read(),
                            content_type=answer.content_type,
                        )
            except (aiohttp.ClientConnectionError, TimeoutError):
                continue
        return web.json_response({"errors": {service: "No replica answers"}}, status=502)


def _token_of(request: web.Request) -> dict[str, str]:
    return {"Authorization": request.headers.get("Authorization", "")}


def build_frontend(endpoints: Path) -> web.Application:
    """The application; ``endpoints``: the file that names the replicas of the backends."""
    frontend = Frontend(endpoints)
    application = web.Application()
    application.cleanup_ctx.append(frontend.run_client)
    application.router.add_post(LOGIN_PATH, frontend.log_in)
    application.router.add_get(THOUGHTS_PATH, frontend.show)
    application.router.add_post(THOUGHTS_PATH, frontend.think)
    add_version(application)
    return application


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="The Frontend of the sidecar's demo.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--endpoints", type=Path, required=True)
    arguments = parser.parse_args()
    serve(build_frontend(arguments.endpoints), arguments.port)


if __name__ == "__main__":
    main()
