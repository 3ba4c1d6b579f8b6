"""The admin port answers its paths, refuses everything else, and gives nothing away."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from sidecar.admin.console import Console
from sidecar.admin.readiness import Readiness
from sidecar.admin.routes import AdminView, _is_from_this_machine, build_admin
from sidecar.metrics.registry import build_registry
from sidecar.metrics.traffic import Traffic

Client = TestClient[Any, Any]

PATHS = (
    *("/", "/console.css", "/console.js", "/state"),
    *("/live", "/ready", "/metrics", "/version", "/keys", "/dependencies", "/config"),
)
HOSTILE = "<script>alert('k')</script>"


class World:
    """An admin view over things that the test can change."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.drains = 0
        self.version = {
            "service": "thoughts",
            "version": "v1.6",
            "commit": "c0",
            "sidecar": "0.1",
        }
        self.keys: dict[str, Any] = {
            "observing_since": "2026-11-23T10:00:00Z",
            "keys": [{"id": HOSTILE, "state": "current", "accepted_total": 1234, "why": "a & b"}],
        }

    def drain(self) -> None:
        self.drains += 1

    def view(self) -> AdminView:
        return AdminView(
            readiness=self.readiness,
            registry=build_registry([Traffic()]),
            version=lambda: self.version,
            keys_report=lambda: self.keys,
            dependencies_report=lambda: {"satisfied": True, "dependencies": []},
            config_report=lambda: {"listen": "0.0.0.0:15006"},
            console=Console(self.state),
            drain=self.drain,
        )

    def state(self) -> dict[str, Any]:
        return {"now": "2026-11-23T10:00:00Z", "keys": self.keys}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World, aiohttp_client: Callable[..., Awaitable[Client]]) -> Client:
    return await aiohttp_client(build_admin(world.view()))


async def problem(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(await response.read())
    assert set(document) == {"type", "title", "status", "detail", "reason"}
    assert document["status"] == response.status
    return document


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_answers_get_and_head_alike(client: Client, path: str) -> None:
    got, headed = await client.get(path), await client.head(path)
    assert (got.status, headed.status) == (200, 200)
    assert await got.read()
    assert await headed.read() == b""
    assert headed.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("path", [*PATHS, "/no/such/path", "/drain"])
async def test_every_answer_names_the_sidecar_and_no_version(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.headers["Server"] == "sidecar"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_what_is_no_http_is_refused_without_a_version_too(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"\x00\x01 nonsense\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"\r\nServer: sidecar\r\n" in answer


async def test_ready_names_every_latch_that_is_held(client: Client, world: World) -> None:
    world.readiness.hold("drain", "shutting down")
    response = await client.get("/ready")
    assert response.status == 503
    assert await response.json() == {"ready": False, "reasons": {"drain": "shutting down"}}
    assert (await client.get("/live")).status == 200
    world.readiness.release("drain")
    assert await (await client.get("/ready")).json() == {"ready": True, "reasons": {}}


async def test_the_reports_are_passed_on_as_json(client: Client, world: World) -> None:
    assert await (await client.get("/keys")).json() == world.keys
    assert await (await client.get("/config")).json() == {"listen": "0.0.0.0:15006"}
    assert (await (await client.get("/version")).json())["version"] == "v1.6"


async def test_metrics_come_in_the_format_that_the_reader_asks_for(client: Client) -> None:
    text = await client.get("/metrics")
    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert list(text_string_to_metric_families(await text.text()))
    open_metrics = await client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await open_metrics.text()).endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/no/such/path", "/keys/", "/KEYS", "/keys/a", "/../keys%00"])
async def test_an_unknown_path_is_a_404_problem(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 404
    assert (await problem(response))["reason"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/keys", "GET, HEAD"), ("DELETE", "/", "GET, HEAD"), ("GET", "/drain", "POST")],
)
async def test_a_wrong_method_is_a_405_problem_that_says_what_is_allowed(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    assert response.status == 405
    assert response.headers["Allow"] == allowed
    assert (await problem(response))["reason"] == "method_not_allowed"


async def test_a_report_that_fails_is_a_500_problem_that_gives_nothing_away(
    client: Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    del world.keys
    response = await client.get("/keys")
    assert response.status == 500
    assert "World" not in (await problem(response))["detail"]
    assert "An admin request failed." in caplog.text


# --- the drain -------------------------------------------------------------------------------


async def test_a_local_client_may_drain(client: Client, world: World) -> None:
    response = await client.post("/drain")
    assert response.status == 202
    assert world.drains == 1


async def test_a_page_in_a_browser_may_not_drain(client: Client, world: World) -> None:
    response = await client.post("/drain", headers={"Origin": "http://127.0.0.1:15020"})
    assert response.status == 403
    assert (await problem(response))["reason"] == "forbidden"
    assert world.drains == 0


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        ("", True),  # a unix socket
        (("10.0.0.7", 1), False),
        (("169.254.1.1", 1), False),
        (("::ffff:10.0.0.7", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), False),
        (("0.0.0.0", 1), False),
        (("localhost", 1), False),
        (None, False),
    ],
)
def test_who_is_local_is_told_by_the_connection_alone(peer: object, is_local: bool) -> None:
    class Transport(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return peer if name == "peername" else default

    request = make_mocked_request(
        "POST", "/drain", headers={"X-Forwarded-For": "127.0.0.1"}, transport=Transport()
    )
    assert _is_from_this_machine(request) == is_local
