"""Calls that may block for ever, each in a thread of its own.

The event loop's own threads are few, everybody shares them, and a program waits for them at its
end: a mount or a name server that hangs would soon hold up whatever else needs one, and keep a
command from ending. Here each call has its own thread, and a question that hangs at most one. Used
by ``net.resolve``, ``net.fetch``, ``dependencies.probe`` and ``fleet.direct``.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

Outcome = TypeVar("Outcome")
_NAME: Final = "aside"


class Aside:
    """Calls by their function and arguments: while one goes on, whoever makes the same call again
    waits for its outcome. Who stops waiting does not stop it for the others."""

    def __init__(self) -> None:
        self._running: dict[tuple[object, ...], asyncio.Future[Any]] = {}

    async def call(self, function: Callable[..., Outcome], *arguments: object) -> Outcome:
        """What the function returns or raises, which is to be an ``Exception``."""
        call = (function, *arguments)
        running = self._running.get(call)
        if running is None:
            loop = asyncio.get_running_loop()
            running = loop.create_future()
            # A daemon: what hangs must not keep the program from ending.
            threading.Thread(
                target=_run, args=(loop, running, function, arguments), name=_NAME, daemon=True
            ).start()
            self._running[call] = running
            running.add_done_callback(lambda done: self._forget(call, done))
        outcome: Outcome = await asyncio.shield(running)
        return outcome

    def _forget(self, call: tuple[object, ...], done: "asyncio.Future[Any]") -> None:
        del self._running[call]
        if not done.cancelled():
            done.exception()  # perhaps nobody waits any more


def _run(
    loop: asyncio.AbstractEventLoop,
    running: "asyncio.Future[Any]",
    function: Callable[..., Any],
    arguments: tuple[object, ...],
) -> None:
    settle: Callable[[Any], None]
    try:
        settle, outcome = running.set_result, function(*arguments)
    except Exception as error:
        settle, outcome = running.set_exception, error
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(settle, outcome)
