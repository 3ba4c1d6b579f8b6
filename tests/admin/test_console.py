"""The console's page allows nothing from elsewhere, and its events tell what changed, once."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

from sidecar.admin.changes import MAX_CHANGES, Changes
from sidecar.admin.console import MAX_PAGES, Console
from sidecar.admin.state import Past, build_state
from sidecar.metrics.history import Point

Client = TestClient[Any, Any]
HOSTILE = "</script><script>alert('k')</script>\n\nevent: state"


class World:
    def __init__(self) -> None:
        self.asked = 0
        self.again = asyncio.Event()
        self.value: Any = "first"

    def state(self) -> dict[str, Any]:
        self.asked += 1
        self.again.set()
        return {"now": f"moment {self.asked}", "value": self.value}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    app = web.Application()
    Console(world.state).join(app)
    return await aiohttp_client(app)


async def event(response: ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            line = await response.content.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                document: dict[str, Any] = json.loads(line[6:])
                return document


@asynccontextmanager
async def page(client: Client) -> AsyncIterator[ClientResponse]:
    async with client.get("/events") as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield response


async def test_the_page_loads_nothing_but_its_own_style_and_script(client: Client) -> None:
    response = await client.get("/")
    policy, text = response.headers["Content-Security-Policy"], await response.text()
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {
        *("data:,", "console.css", "console.js", "#main"),
        "state",
    }
    assert not re.search(r"<script>|style=|\son\w+=", text)


def test_the_script_never_makes_markup_of_a_value() -> None:
    script = (files("sidecar.admin") / "console" / "console.js").read_text()
    assert not re.search(r"innerHTML\s*[+]?=(?!=)|outerHTML|insertAdjacent|document\.write", script)
    assert not re.search(r"\beval\b|new Function|setAttribute\(\"on", script)


def test_all_of_it_is_small() -> None:
    folder = files("sidecar.admin") / "console"
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 150_000


async def test_a_page_hears_the_state_and_then_each_change(client: Client, world: World) -> None:
    async with page(client) as response:
        assert (await event(response))["value"] == "first"
        world.again.clear()
        await world.again.wait()  # nothing is told while only the time has changed
        world.value = HOSTILE
        assert (await event(response))["value"] == HOSTILE


async def test_a_page_hears_that_the_sidecar_is_there_while_nothing_changes(
    client: Client,
) -> None:
    async with page(client) as response, asyncio.timeout(60):
        await event(response)
        while (await response.content.readline()) != b"event: here\n":
            pass
        assert (await response.content.readline()).startswith(b"data: ")


async def test_many_pages_make_the_state_once(client: Client, world: World) -> None:
    async with page(client) as one, page(client) as other:
        assert await event(one) == await event(other)
    assert world.asked <= 2


async def test_no_state_is_made_while_no_page_is_open(client: Client, world: World) -> None:
    await client.get("/")
    assert world.asked == 0


async def test_a_page_too_many_is_asked_to_come_back(client: Client) -> None:
    responses = [await client.get("/events") for _ in range(MAX_PAGES)]
    async with client.get("/events") as refused:
        assert refused.status == 503
        assert refused.headers["Retry-After"]
    for response in responses:
        response.close()


async def test_a_page_that_takes_nothing_makes_room_for_another(
    world: World, aiohttp_client: Callable[..., Awaitable[Client]]
) -> None:
    app = web.Application()
    Console(world.state, max_pages=1, patience_s=0.05).join(app)
    client = await aiohttp_client(app)
    world.value = "x" * (64 << 20)  # more than the kernel takes for a reader that sleeps
    _, writer = await asyncio.open_connection(client.host, client.port, limit=1)
    writer.write(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(20):
        await world.again.wait()
        world.value = "small"
        while True:
            async with client.get("/events") as response:
                if response.status == 200:
                    break
    assert response.content_type == "text/event-stream"
    writer.transport.abort()


async def test_open_pages_end_with_the_application(client: Client) -> None:
    async with page(client) as response:
        await event(response)
        async with asyncio.timeout(20):
            await client.server.app.shutdown()  # type: ignore[attr-defined]
            while not response.content.at_eof():
                await response.content.read(1000)
        assert response.content.at_eof()


def test_the_state_is_made_of_what_the_reports_say() -> None:
    state = build_state(
        version={"service": "thoughts", "version": "v1", "commit": "c", "sidecar": "0.1"},
        waits_for={"keys": "none yet"},
        keys={
            "observing_since": "2026-11-23T10:00:00Z",
            "keys": [{"id": "k", "generation": "new"}],
            "issuing": None,
        },
        dependencies={
            "dependencies": [
                {
                    "name": "users",
                    "requires": ">=v2",
                    "version": "v1",
                    "satisfied": False,
                    "why": "too old",
                    "url": "http://users/",
                }
            ]
        },
        past=Past(
            {
                ("expired", "old", True): 2,
                ("missing", "none", True): 5,
                ("revoked", "none", True): 0,
            },
            [Point(10.0, 2.0, 1.25, 0.5)],
            [],
        ),
        now=1_763_892_000.0,
    )
    assert state["note"] == "Seen by this replica since 2026-11-23T10:00:00Z."
    assert state["status"] == {"kind": "bad", "text": "✗ not ready: keys"}
    assert state["keys"] == [{"id": "k", "generation": "new"}]
    assert [each["reason"] for each in state["refusals"]] == ["missing", "expired"]
    assert state["history"] == [{"at": 10.0, "new": 1.25, "old": 0.5}]
    services = state["services"]
    assert [node["name"] for node in services["nodes"]] == ["thoughts", "users"]
    assert services["edges"] == [{"from": 0, "to": 1, "satisfied": False, "via": []}]
    assert services["tables"][0]["rows"] == [
        ["users", ">=v2", "v1", {"satisfied": False, "why": "too old"}]
    ]
    json.dumps(state)


@pytest.mark.parametrize(("generation", "is_said"), [("new", False), ("old", True)])
def test_beside_an_old_key_it_is_said_that_one_replica_speaks_for_itself(
    generation: str, is_said: bool
) -> None:
    since = "2026-11-23T10:00:00Z"
    keys = {"keys": [{"id": "k", "generation": generation}], "issuing": None}
    state = build_state(
        version={"service": "users", "version": "v1", "commit": "c", "sidecar": "0.1"},
        waits_for={},
        keys={**keys, "observing_since": since},
        dependencies={"dependencies": []},
        past=Past({}, [], []),
        now=1_763_892_000.0,
    )
    words = "as far as this replica can tell; of the whole fleet, ask sidecar rotate status."
    assert (words in state["note"]) is is_said


@pytest.mark.parametrize(
    ("until", "issuing", "words"),
    [
        (None, {}, "are watched from birth."),
        ("2026-11-23T10:05:00Z", {}, "Until 2026-11-23T10:05:00Z tokens may have been handed out"),
        (None, {"unknown_total": 1_200}, "1,200 were signed with a key that the keyring"),
        (None, {"refused": {"a": 2, "b": 1}}, "3 of an old key were held back."),
        (None, {"ended_at": "2026-11-23T11:00:00Z"}, "The last answer was out at 2026-11-23T11"),
    ],
)
def test_the_note_says_how_far_the_watching_reaches(
    until: str | None, issuing: dict[str, Any], words: str
) -> None:
    nothing: dict[str, Any] = {"ended_at": None, "refused": {}, "unknown_total": 0}
    since = "2026-11-23T10:00:00Z"
    keys: dict[str, Any] = {"observing_since": since, "keys": [], "unwatched_until": until}
    state = build_state(
        version={"service": "users", "version": "v1", "commit": "c", "sidecar": "0.1"},
        waits_for={},
        keys={**keys, "issuing": nothing | issuing},
        dependencies={"dependencies": []},
        past=Past({}, [], []),
        now=1_763_892_000.0,
    )
    assert words in state["note"]


def test_the_last_changes_are_kept_and_requests_are_not() -> None:
    changes = Changes()
    changes.listen()
    try:
        log = logging.getLogger("sidecar.keys.test")
        log.setLevel(logging.INFO)
        for number in range(MAX_CHANGES + 5):
            log.info("Change %d.", number)
        logging.getLogger("sidecar.access").error("A request.")
    finally:
        changes.ignore()
    log.info("Too late.")
    assert len(changes.latest) == MAX_CHANGES
    assert changes.latest[0].what == f"Change {MAX_CHANGES + 4}."
