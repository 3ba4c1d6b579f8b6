from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sidecar.demo.endpoints import Endpoints, write_endpoints
from sidecar.demo.frontend import THOUGHTS, USERS, build_frontend

Client = TestClient[web.Request, web.Application]
Serve = Callable[[web.Application], Awaitable[TestServer]]

CLOSED = "http://127.0.0.1:9"  # nobody listens there


def answering(status: int) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        said = request.headers.get("Authorization", "")
        return web.json_response({"from": request.path, "token": said}, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    return application


@pytest.fixture
async def frontend(
    tmp_path: Path,
    aiohttp_client: Callable[[web.Application], Awaitable[Client]],
    aiohttp_server: Serve,
) -> Callable[[list[int | None]], Awaitable[Client]]:
    """A frontend before replicas that answer with these statuses; None: nobody listens."""

    async def build(statuses: list[int | None]) -> Client:
        urls = [
            CLOSED
            if status is None
            else str((await aiohttp_server(answering(status))).make_url(""))
            for status in statuses
        ]
        urls = [url.rstrip("/") for url in urls]
        file = tmp_path / "endpoints.json"
        write_endpoints(file, {USERS: urls, THOUGHTS: urls})
        return await aiohttp_client(build_frontend(file))

    return build


Build = Callable[[list[int | None]], Awaitable[Client]]


async def test_a_visitors_token_goes_on_as_it_came(frontend: Build) -> None:
    client = await frontend([200])

    answer = await client.get("/thoughts", headers={"Authorization": "Bearer x"})

    assert await answer.json() == {"from": "/api/me/thoughts/", "token": "Bearer x"}


@pytest.mark.parametrize("other", [None, 503])
async def test_a_replica_that_does_not_serve_is_passed_over(
    frontend: Build, other: int | None
) -> None:
    client = await frontend([other, 200])

    statuses = {(await client.post("/login", json={"username": "a"})).status for _ in range(4)}

    assert statuses == {200}


async def test_a_refusal_is_not_asked_again_elsewhere(frontend: Build) -> None:
    client = await frontend([401])

    assert (await client.get("/thoughts")).status == 401


async def test_without_any_replica_the_visitor_is_told(frontend: Build) -> None:
    client = await frontend([None, 503])

    assert (await client.get("/thoughts")).status == 502


def test_replicas_take_turns_and_changes_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    write_endpoints(file, {"users": ["a", "b"]})
    endpoints = Endpoints(file)

    assert [endpoints.of("users") for _ in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]
    assert endpoints.of("nobody") == []
    write_endpoints(file, {"users": ["c"]})
    assert endpoints.of("users") == ["c"]
