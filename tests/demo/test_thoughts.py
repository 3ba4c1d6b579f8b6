from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from sidecar.demo.thoughts import USERNAME_FIELD, build_thoughts

VERSION = {"version": "v1.6", "commit": "8f1c2a6d0b7e4f3395a1c0d2e4b6f8a013579bdf"}
BRUCE = {USERNAME_FIELD: "bruce"}

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(
    aiohttp_client: Callable[[web.Application], Awaitable[Client]], monkeypatch: pytest.MonkeyPatch
) -> Client:
    monkeypatch.setenv("VERSION_NAME", VERSION["version"])
    monkeypatch.setenv("VERSION_SHA", VERSION["commit"])
    return await aiohttp_client(build_thoughts())


async def test_it_says_its_version_as_the_reference_system_does(client: Client) -> None:
    answer = await client.get("/admin/version/")

    assert await answer.json() == VERSION


async def test_everybody_may_read_and_search(client: Client) -> None:
    everything = await (await client.get("/api/thoughts/")).json()
    found = await (await client.get("/api/thoughts/?search=sad%20thing")).json()

    assert len(everything) == 2
    assert [thought["username"] for thought in found] == ["bruce"]


async def test_one_thought_is_found_by_its_number(client: Client) -> None:
    assert (await (await client.get("/api/thoughts/1/")).json())["username"] == "alice"

    missing = await client.get("/api/thoughts/99999/")
    assert missing.status == 404
    assert set((await missing.json()).values()) == {None}


async def test_a_thought_belongs_to_whom_the_sidecar_names(client: Client) -> None:
    written = await client.post("/api/me/thoughts/", data={"text": "hello"}, headers=BRUCE)
    mine = await (await client.get("/api/me/thoughts/", headers=BRUCE)).json()

    assert written.status == 201
    assert (await written.json())["username"] == "bruce"
    assert [thought["text"] for thought in mine] == ["It is a very sad thing", "hello"]


async def test_a_request_that_came_past_the_sidecar_is_nobodys(client: Client) -> None:
    assert (await client.get("/api/me/thoughts/")).status == 401
    assert (await client.post("/api/me/thoughts/", data={"text": "hello"})).status == 401


async def test_a_thought_needs_a_text(client: Client) -> None:
    answer = await client.post("/api/me/thoughts/", data={"text": ""}, headers=BRUCE)

    assert answer.status == 400
    assert "text" in (await answer.json())["errors"]


async def test_only_the_last_few_hundred_are_remembered(client: Client) -> None:
    for number in range(205):
        await client.post("/api/me/thoughts/", data={"text": f"{number}"}, headers=BRUCE)

    kept = await (await client.get("/api/thoughts/")).json()

    assert len(kept) == 200
    assert kept[-1]["text"] == "204"
    assert kept[-1]["id"] == 207
