"""A caller of the service: sends a request and says what came back, in few words."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp

from sidecar.errors import SidecarError

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class NoToken(SidecarError):
    """A login was not answered with a token."""

    reason = "no_token"
    title = "The Users Backend handed out no token"


class NoReport(SidecarError):
    """An admin port did not say what the demo has to show."""

    reason = "no_report"
    title = "A sidecar did not answer on its admin port"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``status`` 0: nothing did, and ``reason`` says why."""

    status: int
    reason: str = ""
    is_from_sidecar: bool = False

    def __str__(self) -> str:
        return f"{self.status or 'no answer:'} {self.reason}".rstrip()


class Caller:
    """An HTTP client that knows the sidecar's own answers; an async context manager."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def ask(self, url: str, token: str | None = None) -> Answer:
        """GET it. Never raises for what the other side does."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.get(url, headers=headers) as response:
                is_from_sidecar = response.headers.get("Server") == "sidecar"
                reason = ""
                if response.content_type == "application/problem+json":
                    reason = str((await response.json(content_type=None)).get("reason", ""))
                else:
                    await response.read()
                return Answer(response.status, reason, is_from_sidecar)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Answer(0, type(error).__name__)

    async def fetch_dependencies(self, admin_url: str) -> list[dict[str, Any]]:
        """What ``GET /dependencies`` lists. Raises :class:`NoReport`."""
        url = f"{admin_url}/dependencies"
        try:
            async with self._session.get(url, raise_for_status=True) as response:
                found: list[dict[str, Any]] = (await response.json())["dependencies"]
                return found
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            raise NoReport(f"demo: {url} did not answer: {type(error).__name__}") from None

    async def log_in(self, url: str, username: str) -> str:
        """The token that a login is answered with. Raises :class:`NoToken`."""
        try:
            async with self._session.post(url, json={"username": username}) as response:
                answer = await response.json(content_type=None)
                return str(answer["Authorization"]).removeprefix("Bearer ")
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            raise NoToken(f"demo: {url} handed out no token: {type(error).__name__}") from None
