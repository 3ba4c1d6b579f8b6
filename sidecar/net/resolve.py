"""Looks host names up so that one that hangs delays no other.

The event loop's own look-ups share a few threads, which a handful of names that nobody answers for
would keep busy for minutes. Here each name has a thread of its own while it is looked up, and at
most one. Used by ``net.fetch``.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

Question = tuple[str, int, int]


class Resolver(AbstractResolver):
    """The system's names. Made inside the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[Question, asyncio.Future[list[Any]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``. Raises OSError where there is none."""
        question = (host, port, family)
        lookup = self._running.get(question)
        if lookup is None:
            lookup = self._running[question] = self._loop.create_future()
            lookup.add_done_callback(lambda done: self._forget(question, done))
            # A daemon: a name that hangs must not keep the program from ending.
            threading.Thread(target=self._look_up, args=(question, lookup), daemon=True).start()
        # Who stops waiting does not stop it for the others.
        found = await asyncio.shield(lookup)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=_NUMERIC,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is kept that would have to be closed."""

    def _look_up(self, question: Question, lookup: "asyncio.Future[list[Any]]") -> None:
        host, port, family = question
        try:
            found: Any = socket.getaddrinfo(
                host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except (OSError, UnicodeError) as error:
            # Not a name at all is a name without an address.
            failure = error if isinstance(error, OSError) else OSError("no such name")
            self._tell(lookup.set_exception, failure)
        else:
            self._tell(lookup.set_result, found)

    def _tell(self, settle: Any, outcome: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(settle, outcome)

    def _forget(self, question: Question, done: "asyncio.Future[list[Any]]") -> None:
        self._running.pop(question, None)
        if not done.cancelled():
            done.exception()  # perhaps nobody waits any more
