"""A token that is not answered as it must be is told, and counted as wrong."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from sidecar.demo.caller import Caller
from sidecar.demo.pods import SERVICES, Pod
from sidecar.demo.reservation import Reservation
from sidecar.demo.screen import Screen
from sidecar.demo.trials import Trial, make

Serve = Callable[..., Awaitable[TestServer]]


async def test_a_service_that_lets_everybody_in_is_found_out(
    tmp_path: Path, aiohttp_server: Serve
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Server": "an application"})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    lines: list[str] = []
    with ExitStack() as resources:
        ports = [resources.enter_context(Reservation()) for _ in range(3)]
        pod = Pod(SERVICES[1], "thoughts-1", tmp_path / "thoughts-1", ports)
        await aiohttp_server(application, port=ports[1].port)
        async with Caller() as caller:
            trials = [Trial("valid", "x", "200"), Trial("forged", "y", "401 bad_signature")]
            wrong = await make(trials, pod, caller, Screen(lines.append, is_plain=True))

    assert wrong == ["forged: 200"]
    assert [line.split() for line in lines[1:]] == [
        ["ok", "valid", "200", "application"],
        ["WRONG", "forged", "200", "application"],
    ]
