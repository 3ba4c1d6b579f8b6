"""The way to the application: opens, lends and closes connections.

``upstream.pool`` decides which; this room does it. Owned by ``app.build``; asked by
``proxy.pipeline`` once for each request.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from sidecar.errors import Draining, UpstreamBusy
from sidecar.setting import Address, parse_upstream_url
from sidecar.upstream.connection import UpstreamConnection
from sidecar.upstream.dial import dial
from sidecar.upstream.pool import Pool
from sidecar.upstream.settings import UpstreamSettings


class Upstream:
    """The application, as something to send requests to: at the first of ``addresses`` that
    accepts, or where the settings say."""

    def __init__(
        self,
        settings: UpstreamSettings,
        loop: asyncio.AbstractEventLoop,
        addresses: Sequence[Address] = (),
    ) -> None:
        self._addresses = addresses or (parse_upstream_url(settings.url),)
        self._connect_timeout_s = settings.connect_timeout_s
        self._response_timeout_s = settings.response_timeout_s
        self._loop = loop
        self._pool: Pool[UpstreamConnection] = Pool(settings.max_connections)
        self._open: set[UpstreamConnection] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Upstream {self._pool!r}>"

    def admit(self, destination: Address | None) -> None:
        """Every connection may go there."""

    def reach(self, _destination: Address | None) -> "Upstream":
        """The way to the application; the same wherever a connection was made to."""
        return self

    @property
    def is_unused(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self._open and not self._waiters

    def response_deadline(self) -> float:
        """When an answer to a request sent now is overdue, in loop time."""
        if not self._response_timeout_s:
            return float("inf")
        return self._loop.time() + self._response_timeout_s

    def take_idle(self, *, must_be_fresh: bool) -> UpstreamConnection | None:
        """An idle connection at once, or ``None``."""
        return self._pool.take(self._loop.time(), must_be_fresh=must_be_fresh)

    async def acquire(self, *, must_be_fresh: bool) -> UpstreamConnection:
        """A connection: an idle one, a new one, or the first that becomes free.

        Raises :class:`UpstreamBusy`, :class:`UpstreamRefused` or :class:`UpstreamTimeout`.
        """
        latest: float | None = None  # counts from the first wait: most requests have none
        while not self._is_closed:
            connection = self.take_idle(must_be_fresh=must_be_fresh)
            if connection is not None:
                return connection
            latest = latest or self._latest_wait()
            if self._pool.has_room() or self._pool.has_idle():
                return await self._acquire_new(latest)
            await self._wait_for_room(latest)
        raise Draining("The sidecar is shutting down.")

    async def acquire_new(self) -> UpstreamConnection:
        """A connection that the application cannot have closed meanwhile: a new one.

        Raises as :meth:`acquire` does.
        """
        return await self._acquire_new(self._latest_wait())

    async def _acquire_new(self, latest: float | None) -> UpstreamConnection:
        while not self._pool.has_room() and not self._is_closed:
            stale = self._pool.evict_oldest()
            if stale is None:
                await self._wait_for_room(latest)
            else:
                self.discard(stale)
        if self._is_closed:
            raise Draining("The sidecar is shutting down.")
        return await self._open_connection()

    async def _open_connection(self) -> UpstreamConnection:
        connection = UpstreamConnection(self._loop, on_lost=self.discard)
        self._pool.open_count += 1
        self._open.add(connection)
        try:
            await dial(connection, self._addresses, self._connect_timeout_s)
        except BaseException:
            self.discard(connection)
            raise
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """The exchange is over: keep the connection if it can carry another, else close it."""
        if connection.is_reusable and not self._is_closed:
            self._pool.give_back(connection, self._loop.time())
            self._wake_one()
        else:
            self.discard(connection)

    def discard(self, connection: UpstreamConnection) -> None:
        """Close a connection for good."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._pool.forget(connection)
        connection.end()
        self._wake_one()

    def sweep(self) -> None:
        """Give up what is overdue and close what idled for too long; called again and again."""
        now = self._loop.time()
        for connection in self._pool.expired(now):
            self.discard(connection)
        for connection in list(self._open):
            connection.check_deadline(now)

    def close(self) -> None:
        """Close every connection; nothing is lent from now on."""
        self._is_closed = True
        self._pool.drain()
        for connection in list(self._open):
            self.discard(connection)
        while self._waiters:
            self._wake_one()

    def _latest_wait(self) -> float | None:
        """Until when, in loop time, a request waits for room, however often others are quicker."""
        timeout_s = self._connect_timeout_s
        return self._loop.time() + timeout_s if timeout_s else None

    async def _wait_for_room(self, latest: float | None) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(latest):
                await waiter
        except TimeoutError:
            raise UpstreamBusy("All connections to the application are in use.") from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake_one()  # the place that was ours is somebody else's now
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
