"""A small service for the tests on a cluster: it serves, hands out tokens, and shows what it got.

Runs in the sidecar's own image, so that the tests need no second one. Settings: ``BIND``;
``PRIVATE_KEY_PATH``, a file ``ID.key`` with which ``/api/login/`` signs; ``TTL_S`` of its tokens;
``VERSION_NAME``; ``GATE``, an address that is asked when the service starts and when it stops, for
the tests of that order.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
from aiohttp import ClientError, ClientSession, web

ISSUER = "users"


def say(text: str) -> None:
    print(text, flush=True)


async def show(request: web.Request) -> web.Response:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return web.json_response(
        {
            "pod": socket.gethostname(),
            "path": request.path_qs,
            "peer": peer[0] if peer else None,
            "headers": {name.lower(): value for name, value in request.headers.items()},
        }
    )


async def log_in(_: web.Request) -> web.Response:
    key = Path(os.environ["PRIVATE_KEY_PATH"])
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "username": "ann",
        "iat": now,
        "exp": now + int(os.environ.get("TTL_S", "3600")),
    }
    token = jwt.encode(claims, SIGNING_KEYS[key], algorithm="RS256", headers={"kid": key.stem})
    return web.json_response({"Authorization": f"Bearer {token}"})


async def say_version(_: web.Request) -> web.Response:
    return web.json_response({"version": os.environ["VERSION_NAME"]})


async def answer_slowly(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query["seconds"]))
    return web.json_response({"pod": socket.gethostname()})


async def ask_the_gate(_: web.Application) -> AsyncIterator[None]:
    """The sidecar must be there before the service is, and still when the service ends."""
    gate = os.environ.get("GATE", "")
    await knock(gate, "started")
    yield
    await knock(gate, "stopped")


async def knock(gate: str, moment: str) -> None:
    if not gate:
        return
    try:
        async with ClientSession() as session, session.get(gate) as answer:
            say(f"{moment}: the gate answered {answer.status}")
    except ClientError as error:
        say(f"{moment}: the gate did not answer: {error}")


#: Read once, at the start, as most signers do: a new key takes a restart.
SIGNING_KEYS = {
    path: path.read_text() for path in map(Path, filter(None, [os.environ.get("PRIVATE_KEY_PATH")]))
}


def main() -> None:
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", show),
            web.post("/api/login/", log_in),
            web.get("/admin/version/", say_version),
            web.get("/slow", answer_slowly),
            web.route("*", "/{path:.*}", show),
        ]
    )
    app.cleanup_ctx.append(ask_the_gate)
    web.run_app(
        app,
        host=os.environ.get("BIND", "127.0.0.1"),
        port=8000,
        access_log=None,
        print=say,
        shutdown_timeout=20,
    )


main()
