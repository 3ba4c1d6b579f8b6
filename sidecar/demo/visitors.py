"""The traffic of the demo: visitors of the frontend, who log in, read and write, again and again.

Each request goes through the frontend's sidecar and from there through a backend's. A visitor uses
one token for a while, and logs in anew well before it expires, as a browser's page would. Whatever
is not answered as it should be is a failed request.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field

import aiohttp

from sidecar.demo import frontend
from sidecar.demo.pods import LIFETIME_S

NAMES = ("alice", "bruce", "carla", "diego", "edith", "farid", "grace", "henry")
#: Seconds for which one token is used, the shortest and the longest. What is left until it expires
#: is more than any request takes, on a busy machine too.
_SHORTEST_S, _LONGEST_S = 4.0, LIFETIME_S - 12.0
_PAUSE_S = 0.2
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_WRITING = 0.2
_FAILURES_SHOWN = 3


@dataclass(slots=True)
class Tally:
    """Counts over the whole demo."""

    asked: int = 0
    logins: int = 0
    failed: int = 0
    #: The first few failures, in words.
    failures: list[str] = field(default_factory=list)

    def fail(self, what: str) -> None:
        """Count a failed request."""
        self.failed += 1
        if len(self.failures) < _FAILURES_SHOWN:
            self.failures.append(what)


class Visitors:
    """``url``: the frontend, through its sidecar."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._dice = random.Random(7)  # noqa: S311 - the same walk in each demo
        self.tally = Tally()

    async def run(self) -> None:
        """Come and go, until cancelled."""
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for name in NAMES:
                tasks.create_task(self._visit(session, name))

    async def _visit(self, session: aiohttp.ClientSession, name: str) -> None:
        while True:
            await asyncio.sleep(_PAUSE_S * self._dice.random())
            token = await self._log_in(session, name)
            if token is None:
                continue
            end = time.monotonic() + self._dice.uniform(_SHORTEST_S, _LONGEST_S)
            while time.monotonic() < end:
                await self._use(session, token)
                await asyncio.sleep(_PAUSE_S * self._dice.uniform(0.5, 1.5))

    async def _log_in(self, session: aiohttp.ClientSession, name: str) -> str | None:
        answer = await self._ask(session, "POST", frontend.LOGIN_PATH, json={"username": name})
        if answer is None:
            return None
        self.tally.logins += 1
        return str(answer["Authorization"])

    async def _use(self, session: aiohttp.ClientSession, token: str) -> None:
        headers = {"Authorization": token}
        if self._dice.random() < _WRITING:
            thought = {"text": "Every key was new once"}
            await self._ask(session, "POST", frontend.THOUGHTS_PATH, json=thought, headers=headers)
        else:
            await self._ask(session, "GET", frontend.THOUGHTS_PATH, headers=headers)

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, **more: object
    ) -> dict[str, object] | None:
        """What was answered, None for a failed request."""
        self.tally.asked += 1
        what = f"{method} {path}"
        try:
            async with session.request(method, self._url + path, **more) as answer:  # type: ignore[arg-type]
                found = await answer.json(content_type=None)
                if answer.status in (200, 201):
                    return found if isinstance(found, dict) else {}
                reason = found.get("reason", "") if isinstance(found, dict) else ""
                self.tally.fail(f"{what}: {answer.status} {reason}".rstrip())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.tally.fail(f"{what}: no answer: {type(error).__name__}")
        return None
