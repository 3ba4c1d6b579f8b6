"""A caller inside the cluster that never pauses, and counts what was not answered as it should be.

``SERVICES`` are base addresses, separated by blanks, each called with a token in the field and in a
cookie; ``LOGIN`` is where it gets its tokens, again and again; ``PER_SECOND`` requests go out in
all. Half of the workers keep their connections, the others open one for each request. ``GET /`` on
port 8080 tells the counts. Runs in the sidecar's own image.
"""

import asyncio
import itertools
import json
import os
import time
from base64 import urlsafe_b64decode
from collections import Counter, deque

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

WORKERS = 8
PATIENCE = ClientTimeout(total=30)
FRESH_TOKEN_EVERY_S = 1.0
SLOW_S = 1.0


class Caller:
    def __init__(self) -> None:
        self.services = os.environ["SERVICES"].split()
        self.login = os.environ["LOGIN"]
        self.pause_s = WORKERS / float(os.environ.get("PER_SECOND", "100"))
        self.token = ""
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.expires: dict[str, int] = {}
        self.slow: deque[str] = deque(maxlen=50)
        self.failures: deque[str] = deque(maxlen=50)

    async def keep_logged_in(self) -> None:
        async with ClientSession(connector=TCPConnector(force_close=True)) as session:
            while True:
                began = time.monotonic()
                await self._log_in(session)
                self._note_time(self.login, time.monotonic() - began)
                await asyncio.sleep(FRESH_TOKEN_EVERY_S)

    async def _log_in(self, session: ClientSession) -> None:
        try:
            async with session.post(self.login, timeout=PATIENCE) as answer:
                if answer.status != 200:
                    self._fail(self.login, f"{answer.status} {await answer.text()}")
                    return
                self.token = (await answer.json())["Authorization"].removeprefix("Bearer ")
                self.answered[self.login] += 1
                self._note_end()
        except (ClientError, OSError, TimeoutError) as error:
            self._fail(self.login, repr(error))

    def _note_end(self) -> None:
        """When the last token of each key ends that was handed out."""
        head, claims = (
            json.loads(urlsafe_b64decode(f"{part}==")) for part in self.token.split(".")[:2]
        )
        key_id = head["kid"]
        self.expires[key_id] = max(claims["exp"], self.expires.get(key_id, 0))

    async def call_for_ever(self, is_keeping: bool) -> None:
        connector = TCPConnector(force_close=not is_keeping)
        async with ClientSession(connector=connector) as session:
            for service in itertools.cycle(self.services):
                began = time.monotonic()
                if self.token:
                    await self._call(session, service)
                took_s = time.monotonic() - began
                self._note_time(service, took_s)
                await asyncio.sleep(max(0.0, self.pause_s - took_s))

    async def _call(self, session: ClientSession, service: str) -> None:
        fields = {"Authorization": f"Bearer {self.token}", "Cookie": f"session={self.token}"}
        try:
            async with session.get(f"{service}/x", headers=fields, timeout=PATIENCE) as answer:
                text = await answer.text()
                if answer.status != 200:
                    self._fail(service, f"{answer.status} {text}")
                    return
        except (ClientError, OSError, TimeoutError) as error:
            self._fail(service, repr(error))
            return
        self.answered[service] += 1

    def _note_time(self, service: str, took_s: float) -> None:
        if took_s > SLOW_S:
            self.slow.append(f"{time.strftime('%H:%M:%S')} {service}: {took_s:.1f} s")

    def _fail(self, service: str, why: str) -> None:
        self.failed[service] += 1
        self.failures.append(f"{time.strftime('%H:%M:%S')} {service}: {why[:300]}")


CALLER = Caller()


async def tell(_: web.Request) -> web.Response:
    return web.json_response(
        {
            "answered": CALLER.answered,
            "failed": CALLER.failed,
            "failures": list(CALLER.failures),
            "expires": CALLER.expires,
            "slow": list(CALLER.slow),
        }
    )


async def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/", tell)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=8080).start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(CALLER.keep_logged_in())
        for number in range(WORKERS):
            tasks.create_task(CALLER.call_for_ever(is_keeping=number % 2 == 0))


asyncio.run(main())
