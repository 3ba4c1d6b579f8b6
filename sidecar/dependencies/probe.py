"""Asks one dependency once which version it is.

Every way in which that can go wrong becomes a finding that says so; nothing is raised. How the
question travels, with its bounds of time and size and its rule on redirects, is the business of the
``fetch`` that ``app.build`` passes in. Called by ``dependencies.watch`` and ``cli.deps``.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from sidecar.dependencies.finding import Finding, State, judge
from sidecar.dependencies.settings import DependencySettings
from sidecar.errors import FetchError, VersionError
from sidecar.net.aside import Aside
from sidecar.versions.answer import parse_answer

log = logging.getLogger("sidecar.dependencies")

_MAX_SECRET_BYTES: Final = 64 * 1024
_SECRET: Final = re.compile(rb"[\x21-\x7e][\x20-\x7e]*")  # what may stand in a header field


class Document(Protocol):
    """What ``fetch`` brings."""

    @property
    def content(self) -> bytes | None: ...


class Fetch(Protocol):
    """``sidecar.net.fetch.fetch``, as far as it is needed here. Raises :class:`FetchError`."""

    async def __call__(
        self, url: str, *, ca: str | None, headers: Mapping[str, str], deadline_s: float
    ) -> Document: ...


class Probe:
    """The question to one dependency."""

    def __init__(self, name: str, settings: DependencySettings, fetch: Fetch) -> None:
        """Raises :class:`VersionError` where no version can meet the requirement."""
        self.name = name
        self.settings = settings
        self.requirement = settings.requirement()
        self._fetch = fetch
        self._aside = Aside()

    async def ask(self) -> Finding:
        """Ask, and judge the answer."""
        try:
            content = await self._answer()
            return judge(parse_answer(content), self.requirement)
        except (FetchError, VersionError) as error:
            return Finding(State.FAILED, error.detail)
        except Exception:
            # A fault of ours must cost one question, never the watch over all dependencies.
            log.exception("A fault of the sidecar itself ended a question to a dependency.")
            return Finding(State.FAILED, "could not be asked")

    async def _answer(self) -> bytes:
        settings = self.settings
        headers = {}
        if settings.token_file is not None:
            token = await self._read("token", settings.token_file)
            headers["Authorization"] = f"Bearer {token.removeprefix('Bearer ')}"
        if settings.key_file is not None:
            headers[settings.key_header] = await self._read("key", settings.key_file)
        answer = await self._fetch(
            settings.url, ca=settings.ca, headers=headers, deadline_s=settings.timeout_s
        )
        return answer.content or b""

    async def _read(self, what: str, place: str) -> str:
        """Read at each question: a token of Kubernetes is replaced every hour."""
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                content = await self._aside.call(_read_secret, place)
        except (OSError, TimeoutError):  # TimeoutError: a mount that hangs
            raise FetchError(f"was not asked: the file of its {what} cannot be read") from None
        if not _SECRET.fullmatch(content):
            raise FetchError(f"was not asked: the file of its {what} does not hold one")
        return content.decode("ascii")


def _read_secret(place: str) -> bytes:
    with Path(place).open("rb") as file:
        return file.read(_MAX_SECRET_BYTES).strip()
