"""A failed request is counted, whatever is wrong with it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sidecar.demo.visitors import NAMES, Tally, Visitors

Serve = Callable[[web.Application], Awaitable[TestServer]]


def frontend(status: int, content: object) -> web.Application:
    async def log_in(_: web.Request) -> web.Response:
        return web.json_response({"Authorization": "Bearer x"})

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(content, status=status)

    application = web.Application()
    application.router.add_post("/login", log_in)
    application.router.add_route("*", "/thoughts", answer)
    return application


async def watch(url: str, is_enough: Callable[[Tally], bool]) -> Tally:
    """What the visitors have counted once it is enough."""
    visitors = Visitors(url)
    task = asyncio.get_running_loop().create_task(visitors.run())
    async with asyncio.timeout(30):
        while not is_enough(visitors.tally):  # noqa: ASYNC110  nobody would wake us
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return visitors.tally


async def test_what_is_answered_as_it_should_be_is_no_failure(aiohttp_server: Serve) -> None:
    server = await aiohttp_server(frontend(200, []))

    tally = await watch(str(server.make_url("")).rstrip("/"), lambda tally: tally.asked >= 40)

    assert (tally.failed, tally.failures, tally.logins) == (0, [], len(NAMES))


async def test_a_refusal_is_a_failed_request_with_its_reason(aiohttp_server: Serve) -> None:
    server = await aiohttp_server(frontend(401, {"reason": "expired"}))

    tally = await watch(str(server.make_url("")).rstrip("/"), lambda tally: tally.failed >= 5)

    assert len(tally.failures) == 3
    assert all(
        re.fullmatch(r"(GET|POST) /thoughts: 401 expired", failure) for failure in tally.failures
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:9"])
async def test_no_answer_is_a_failed_request(url: str) -> None:
    tally = await watch(url, lambda tally: tally.failed >= 1)

    assert tally.failures[0].startswith("POST /login: no answer: ")
    assert tally.logins == 0
