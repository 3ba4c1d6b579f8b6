"""The embedded store knows who was there, who is silent and who is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sidecar.demo.pods import SERVICES, Pod
from sidecar.demo.reservation import Reservation
from sidecar.demo.store import Store
from sidecar.rotation.replica import Fleet

Serve = Callable[..., Awaitable[TestServer]]

_METRICS = """\
# TYPE sidecar_observing_since_timestamp_seconds gauge
sidecar_observing_since_timestamp_seconds 1000
# TYPE sidecar_token_leeway_seconds gauge
sidecar_token_leeway_seconds 1
# TYPE sidecar_service_info gauge
sidecar_service_info{service="users-backend",version="v2.3",commit="x"} 1
# TYPE sidecar_key_info gauge
sidecar_key_info{key="2026-05",generation="new",algorithm="RS256",thumbprint="x",source="k"} 1
# TYPE sidecar_key_signing_since_timestamp_seconds gauge
sidecar_key_signing_since_timestamp_seconds{key="2026-05"} 0
# TYPE sidecar_switch_enforced gauge
sidecar_switch_enforced 0
# TYPE sidecar_token_max_lifetime_seconds gauge
sidecar_token_max_lifetime_seconds 30
# TYPE sidecar_requests_total counter
sidecar_requests_total{method="GET",code="200"} 5
"""


class Sidecar:
    """Answers ``/metrics`` until it is silent."""

    def __init__(self) -> None:
        self.is_silent = False

    async def answer(self, _: web.Request) -> web.Response:
        if self.is_silent:
            raise web.HTTPServiceUnavailable
        return web.Response(text=_METRICS)


@pytest.fixture
def sidecar() -> Sidecar:
    return Sidecar()


@pytest.fixture
async def pods(
    tmp_path: Path, sidecar: Sidecar, aiohttp_server: Serve
) -> AsyncIterator[dict[str, Pod]]:
    application = web.Application()
    application.router.add_get("/metrics", sidecar.answer)
    with ExitStack() as resources:
        ports = [resources.enter_context(Reservation()) for _ in range(3)]
        await aiohttp_server(application, port=ports[2].port)
        yield {"users-1": Pod(SERVICES[0], "users-1", tmp_path / "users-1", ports)}


@pytest.fixture
async def store(pods: dict[str, Pod]) -> AsyncIterator[Store]:
    made = Store(lambda: pods, time.time())
    task = asyncio.get_running_loop().create_task(made.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def see(store: Store, is_so: Callable[[Fleet], bool]) -> Fleet:
    async with asyncio.timeout(30):
        while not is_so(await store.fleet()):  # noqa: ASYNC110  nobody would wake us
            await asyncio.sleep(0.01)
    return await store.fleet()


async def test_it_knows_who_is_there_and_under_which_name(store: Store) -> None:
    fleet = await see(store, lambda fleet: bool(fleet.present))

    (replica,) = fleet.present
    assert replica.place == "users-backend/users-1"
    assert fleet.ring.key_ids == ("2026-05",)
    assert not fleet.waited_for


async def test_who_is_silent_is_waited_for(store: Store, sidecar: Sidecar) -> None:
    await see(store, lambda fleet: bool(fleet.present))
    sidecar.is_silent = True

    fleet = await see(store, lambda fleet: bool(fleet.waited_for))

    assert [each.place for each in fleet.waited_for] == ["users-backend/users-1"]


async def test_who_was_taken_away_is_gone_and_not_forgotten(
    store: Store, pods: dict[str, Pod]
) -> None:
    await see(store, lambda fleet: bool(fleet.present))
    pods.clear()

    fleet = await see(store, lambda fleet: not fleet.present)

    assert [replica.name for replica in fleet.replicas] == ["users-1"]
    assert fleet.replicas[0].gone_at is not None
    assert not fleet.waited_for


async def test_it_says_how_the_same_is_asked(store: Store, pods: dict[str, Pod]) -> None:
    assert store.options() == ["--target", pods["users-1"].admin_url]
