"""Which connection carries the next request: decided here, without I/O.

Keeps the idle connections and counts the open ones. Every decision is a plain method call with the
time as an argument; opening and closing is done by ``upstream.client``.
"""

from collections import deque
from typing import Final, Generic, Protocol, TypeVar

#: An idle connection older than this is not worth the risk that the application closed it.
MAX_IDLE_S: Final = 30.0
#: A request that cannot be repeated goes only over a connection that was in use this recently:
#: shorter than the keep-alive time-out of any server in common use.
FRESH_S: Final = 1.0


class Poolable(Protocol):
    """What the pool needs to know of a connection."""

    idle_since: float
    is_reusable: bool


C = TypeVar("C", bound=Poolable)


class Pool(Generic[C]):
    """Idle connections, last used first, and the number of open ones against ``limit``."""

    __slots__ = ("_idle", "_limit", "open_count")

    def __init__(self, limit: int) -> None:
        self._idle: deque[C] = deque()
        self._limit = limit
        self.open_count = 0

    def __repr__(self) -> str:
        return f"<Pool {len(self._idle)} idle of {self.open_count} open, limit {self._limit}>"

    def take(self, now: float, *, must_be_fresh: bool) -> C | None:
        """An idle connection for a request, or ``None``: open one or wait."""
        idle = self._idle
        while idle:
            connection = idle[-1]
            if must_be_fresh and now - connection.idle_since > FRESH_S:
                return None  # those further down are older still
            idle.pop()
            if connection.is_reusable:
                return connection
        return None

    def has_room(self) -> bool:
        """Whether another connection may be opened."""
        return self.open_count < self._limit

    def has_idle(self) -> bool:
        """Whether a connection waits that could make room for another."""
        return bool(self._idle)

    def give_back(self, connection: C, now: float) -> None:
        """A connection is idle again from ``now``."""
        connection.idle_since = now
        self._idle.append(connection)

    def forget(self, connection: C) -> None:
        """A connection is gone."""
        self.open_count -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    def evict_oldest(self) -> C | None:
        """The idle connection to close so that a fresh one can be opened in its place."""
        return self._idle.popleft() if self._idle else None

    def expired(self, now: float) -> list[C]:
        """The connections that idled for too long, taken out: the caller closes them."""
        old = []
        while self._idle and now - self._idle[0].idle_since > MAX_IDLE_S:
            old.append(self._idle.popleft())
        return old

    def drain(self) -> list[C]:
        """Every idle connection, taken out: the caller closes them."""
        everything = list(self._idle)
        self._idle.clear()
        return everything
