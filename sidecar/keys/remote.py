"""One source of keys that is asked over HTTP: a JWKS, or an issuer whose discovery names one.

What cannot be used is refused, and the last good keys stay; a key that is missing from a good set
goes, at once or after ``keep_removed``. It is asked in the event loop and read in any thread;
reading it never waits. It keeps nothing on disk, and how a document is fetched is not its business.

Made by ``build``; asked by ``refresh``; read by ``store``.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sidecar.errors import FetchError, KeyFileError
from sidecar.keys.keyset import KeySetUnusable, discovery_url, parse_discovery, read_key_set
from sidecar.keys.retention import Retention
from sidecar.keys.schedule import Schedule
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.source import SourceReading, Trouble
from sidecar.tokens.parse import KeyProblem, KeyReading


class Answer(Protocol):
    """What is fetched: see :class:`sidecar.net.fetch.Fetched`."""

    @property
    def content(self) -> bytes | None: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def fresh_s(self) -> float | None: ...


class Fetch(Protocol):
    """Gets one document; raises :class:`FetchError`."""

    async def __call__(self, url: str, *, etag: str | None, ca: str | None) -> Answer: ...


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the last look brought, besides keys."""

    problems: tuple[Trouble, ...] = ()
    error: str | None = None


_NOT_ASKED_YET: Final = _Outcome(error="has not answered yet")


class RemoteSource:
    """``name`` shows no query. ``succeeded_at``: when the last good answer came (unix seconds).

    ``clock`` tells unix seconds, ``timer`` seconds that never jump.
    """

    def __init__(
        self,
        name: str,
        settings: KeySourceSettings,
        fetch: Fetch,
        schedule: Schedule,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.succeeded_at: float | None = None
        self._settings = settings
        self._fetch = fetch
        self._schedule = schedule
        self._clock = clock
        self._timer = timer
        self._retention = Retention(settings.keep_removed_s)
        self._outcome = self._good_outcome = _NOT_ASKED_YET
        self._known: tuple[str, str] | None = None  # the URL of the last good set, and its ETag
        self._reading = SourceReading()
        self._began_at = float("-inf")
        self._was_hurried = asyncio.Event()
        self._is_settled = asyncio.Event()

    @property
    def was_asked(self) -> bool:
        """Whether it was asked once, with whatever success."""
        return self._schedule.has_looked

    def load(self) -> SourceReading:
        """See :class:`sidecar.keys.source.KeySource`; one thread at a time."""
        keys, outcome = self._retention.keys(self._timer()), self._outcome
        reading = SourceReading(keys, problems=outcome.problems, error=outcome.error)
        if reading != self._reading:
            self._reading = reading
        return self._reading

    # --- when ---

    async def wait_until_due(self) -> None:
        """Wait until it is to be asked."""
        while (delay_s := self._schedule.due_at - self._timer()) > 0:
            self._was_hurried.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._was_hurried.wait()

    def hurry(self) -> float | None:
        """Ask as soon as the schedule allows; when the look began that is on now, or begins now.

        ``None`` where there is none, seconds of ``timer`` else.
        """
        now, due_at = self._timer(), self._schedule.due_at
        begins_now = self._schedule.hurry(now)
        if self._schedule.due_at < due_at:
            self._was_hurried.set()
        if begins_now:
            self._is_settled.clear()
            return now
        return self._began_at if self._schedule.is_looking else None

    async def wait_until_settled(self) -> None:
        """Wait until the look that is on has ended, and what it brought is in use."""
        await self._is_settled.wait()

    def settle(self) -> None:
        """What the last look brought is in use."""
        self._is_settled.set()

    # --- what ---

    async def look(self) -> None:
        """Ask once. What goes wrong is in the next reading; only faults of our own are raised."""
        self._schedule.begin()
        self._is_settled.clear()
        self._began_at = self._timer()
        is_good, fresh_s = False, None
        try:
            fresh_s = await self._ask()
            is_good = True
        except KeySetUnusable as error:
            private = [problem for problem in error.problems if problem.is_private]
            self._outcome = _Outcome(tuple(map(self._trouble, private)), error=error.detail)
        except (FetchError, KeyFileError) as error:
            self._outcome = _Outcome(error=error.detail)
        finally:
            if is_good:
                self.succeeded_at = self._clock()
                self._schedule.succeed(self._timer(), fresh_s)
            else:
                self._schedule.fail(self._timer())

    async def _ask(self) -> float | None:
        """Take in the set of now; for how long it says that it is fresh."""
        url = self._settings.url or await self._discover()
        etag = self._known[1] if self._known is not None and self._known[0] == url else None
        answer = await self._fetch(url, etag=etag, ca=self._settings.ca)
        if answer.content is None:
            self._retention.confirm(self._timer())
            self._outcome = self._good_outcome
            return answer.fresh_s
        # A large set takes its time, which the requests must not wait for.
        reading = await asyncio.to_thread(read_key_set, answer.content, url=url, source=self.name)
        # The issuer's keys speak for nobody else (RFC 8725, section 3.8).
        keys = [replace(key, issuer=self._settings.issuer) for key in reading.keys]
        self._retention.take(keys, self._timer())
        self._outcome = self._good_outcome = self._outcome_of(reading)
        self._known = None if answer.etag is None else (url, answer.etag)
        return answer.fresh_s

    async def _discover(self) -> str:
        """The URL of the issuer's JWKS, asked anew each time: it may move."""
        issuer = self._settings.issuer or ""
        answer = await self._fetch(discovery_url(issuer), etag=None, ca=self._settings.ca)
        try:
            return parse_discovery(answer.content or b"", issuer, insecure=self._settings.insecure)
        except KeyFileError as error:
            raise KeyFileError(f"has a discovery document that {error.detail}") from None

    def _outcome_of(self, reading: KeyReading) -> _Outcome:
        return _Outcome(
            tuple(self._trouble(each) for each in reading.problems if not each.is_foreign)
        )

    def _trouble(self, problem: KeyProblem) -> Trouble:
        return Trouble(self.name, f"publishes a set whose {problem.text}", problem.is_private)
