"""From start to end: open the ports, start the tasks, wait for a signal, drain, stop.

Every background task of the sidecar is started here, in one task group. Called by ``cli.run``.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from sidecar.app.build import App, build_app, build_store
from sidecar.app.descriptors import make_room
from sidecar.app.last_word import say_last_word
from sidecar.app.logs import configure_logs
from sidecar.app.memory import Memory, open_state_dir
from sidecar.config.load import Loaded
from sidecar.config.settings import Settings
from sidecar.errors import ConfigError
from sidecar.keys.refresh import keep_fresh
from sidecar.keys.store import KeyStore
from sidecar.net.listen import BACKLOG, address_of, open_listener
from sidecar.proxy.resign import build_reissuer
from sidecar.tokens.reissue import Reissuer
from sidecar.versions.stamp import stamp_from_environment

log = logging.getLogger("sidecar.app")

#: How long a connection to the admin port may stay without a request: longer than the usual pause
#: between two scrapes. aiohttp's own patience is an hour, and each of them takes an open file.
ADMIN_IDLE_S: Final = 75.0


@dataclass(slots=True)
class Ports:
    """The listening sockets, opened before anything else."""

    inbound: list[socket.socket] = field(default_factory=list)
    outbound: list[socket.socket] = field(default_factory=list)
    admin: socket.socket | None = None

    @property
    def all(self) -> list[socket.socket]:
        """Every one of them."""
        return [*self.inbound, *self.outbound, *([self.admin] if self.admin else [])]

    @property
    def numbers(self) -> frozenset[int]:
        """The TCP ports that they listen on."""
        return frozenset(
            listener.getsockname()[1]
            for listener in self.all
            if listener.family in (socket.AF_INET, socket.AF_INET6)
        )

    def close(self) -> None:
        """Close those that nobody has taken over."""
        for listener in self.all:
            listener.close()


def run(loaded: Loaded) -> int:
    """Be the sidecar until a signal says otherwise; the exit code.

    Raises :class:`ConfigError` when it cannot start.
    """
    settings = loaded.settings
    configure_logs(settings.log)
    make_room(settings)
    store = build_store(settings)
    store.load()
    if _lacks_keys(settings, store) and not store.remote_sources:
        raise ConfigError(store.explain_empty())
    _check_token_list(settings, store)
    ports = open_ports(settings)
    try:
        # Whoever connects from now on waits for us: what was handed out was handed out before.
        memory = Memory(settings, open_state_dir(settings), time.time())
        reissuer = build_reissuer(settings.auth.forward)
        _run_loop(_live(loaded, store, memory, reissuer, ports))
    except BaseExceptionGroup as group:
        raise _first_of(group) from None
    finally:
        ports.close()
    return 0


def _lacks_keys(settings: Settings, store: KeyStore) -> bool:
    """Whether tokens are to be refused, and there is no key that could say which."""
    has_keys = store.current.by_id or store.current.revoked_keys
    return settings.auth.mode == "enforce" and not has_keys


def _check_token_list(settings: Settings, store: KeyStore) -> None:
    """A list of revoked tokens that was never read revokes nothing: that is no way to start."""
    name = settings.auth.revoked_tokens
    for source in store.observed:
        if source.name == name and source.last_success_at is None:
            raise ConfigError(f"auth.revoked_tokens: {source.last_error}")


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the task group of everything ended with; the rest of it was cancelled for that."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def open_ports(settings: Settings) -> Ports:
    """The listening sockets that the settings name, or :class:`ConfigError` with what is wrong."""
    ports = Ports()
    problems: list[str] = []
    for address in settings.listen:
        try:
            ports.inbound.append(open_listener(address))
        except ConfigError as error:
            problems += [f"listen: {problem}" for problem in error.problems]
    for address in settings.outbound.listen:
        try:
            ports.outbound.append(open_listener(address))
        except ConfigError as error:
            problems += [f"outbound.listen: {problem}" for problem in error.problems]
    try:
        ports.admin = open_listener(settings.admin)
    except ConfigError as error:
        problems += [f"admin: {problem}" for problem in error.problems]
    if problems:
        ports.close()
        raise ConfigError(problems)
    return ports


def _run_loop(main: Coroutine[None, None, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)


class Ending:
    """The wish to drain and the wish to stop, as signals and the admin port express them."""

    def __init__(self) -> None:
        self.drain_wanted = asyncio.Event()
        self.stop_wanted = asyncio.Event()
        self.stop_now = asyncio.Event()

    def drain(self) -> None:
        """Stop being ready, go on serving."""
        self.drain_wanted.set()

    def stop(self) -> None:
        """Drain and end; the second time: end now."""
        if self.stop_wanted.is_set():
            self.stop_now.set()
        self.drain_wanted.set()
        self.stop_wanted.set()


async def _live(
    loaded: Loaded, store: KeyStore, memory: Memory, reissuer: Reissuer | None, ports: Ports
) -> None:
    ending = Ending()
    addresses = [address_of(listener) for listener in ports.inbound]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.stop)
    async with asyncio.TaskGroup() as tasks:
        app = build_app(loaded, store, memory, reissuer, tasks, ending.drain, ports.numbers)
        background = [
            tasks.create_task(keep_fresh(store)),
            tasks.create_task(_wait_for_keys(app)),
            tasks.create_task(_sweep(app)),
            tasks.create_task(memory.keep()),
            tasks.create_task(_watch_unread(app)),
            *map(tasks.create_task, app.versions.tasks()),
        ]
        runner = web.AppRunner(
            app.admin, access_log=None, handle_signals=False, keepalive_timeout=ADMIN_IDLE_S
        )
        await runner.setup()
        assert ports.admin is not None
        await web.SockSite(runner, ports.admin, backlog=BACKLOG).start()
        await app.server.listen(ports.inbound)
        await app.outbound.listen(ports.outbound)
        _hold_for_keys(app)
        app.changes.listen()
        app.readiness.release("starting")
        _announce(app, addresses)
        _set_apart_what_stays()
        await _wait_and_drain(app, ending)
        app.changes.ignore()
        app.outbound.close()
        app.upstream.close()
        for task in background:
            task.cancel()
        await runner.cleanup()
    log.info("The sidecar has stopped.")


def _set_apart_what_stays() -> None:
    """Tell the garbage collector that what the start has made lives until the end.

    Going through all of it again and again would stop every request for some 30 ms each time.
    """
    gc.collect()
    gc.freeze()


async def _wait_and_drain(app: App, ending: Ending) -> None:
    shutdown = app.settings.shutdown
    await ending.drain_wanted.wait()
    app.readiness.hold("draining", "The sidecar is shutting down.")
    app.server.start_draining()
    drain_end = time.monotonic() + shutdown.drain_s
    log.info("Draining: not ready any more, still serving.")
    await ending.stop_wanted.wait()
    with suppress(TimeoutError):
        async with asyncio.timeout(max(drain_end - time.monotonic(), 0)):
            await ending.stop_now.wait()
    grace_end = time.monotonic() + shutdown.grace_s
    app.server.stop_listening()
    if not await app.server.wait_until_idle(shutdown.grace_s, ending.stop_now.is_set):
        log.warning("Requests were still in flight when the grace ended; they are cut.")
    app.tunnels.cut_all()
    app.server.abort_all()
    await app.server.wait_until_idle(1.0, lambda: False)  # before anything is closed under them
    await app.memory.finish()
    if app.issued_tokens is not None:
        patience_s = min(shutdown.last_word_s, grace_end - time.monotonic())
        await say_last_word(app.issued_tokens, patience_s, ending.stop_now.is_set)


def _hold_for_keys(app: App) -> bool:
    """Be not ready while tokens cannot be judged; whether that is so. Where none is refused, nobody
    has to wait."""
    why = app.store.explain_waiting() if app.settings.auth.mode == "enforce" else ""
    if why:
        app.readiness.hold("keys", why)
    else:
        app.readiness.release("keys")
    return bool(why)


async def _wait_for_keys(app: App) -> None:
    """Until keys have come from elsewhere for the first time."""
    is_late = False
    while _hold_for_keys(app):
        is_late = True
        await asyncio.sleep(0.05)
    if is_late:
        log.info("The keys are here.", extra={"data": {"keys": list(app.store.current.by_id)}})


async def _sweep(app: App) -> None:
    """Look at every deadline, again and again; a failure of one sweep does not end the next."""
    while True:
        await asyncio.sleep(app.server.sweep_interval_s)
        try:
            app.server.sweep()
            app.upstream.sweep()
            app.tunnels.sweep(lambda: app.store.current, time.time())
            app.history.sample(time.time())
            app.contradictions.sweep(app.store.current)
        except Exception:
            log.exception("A sweep of the connections failed.")


async def _watch_unread(app: App) -> None:
    """See to it that what passes unread is on record; apart from the rest: a disk may hang."""
    while app.issued is not None:
        await asyncio.sleep(0.5)
        try:
            await app.issued.sweep(time.time())
        except Exception:
            log.exception("A sweep of the answers that pass unread failed.")


def _announce(app: App, addresses: list[str]) -> None:
    settings, waits_for = app.settings, app.readiness.reasons()
    stamp = stamp_from_environment(os.environ)
    if stamp.missing and settings.version.source == "stamp":
        log.warning(
            "The service's version is not known in full: VERSION_NAME or VERSION_SHA is unset or "
            "'BAD VERSION'. Pass both as build arguments.",
            extra={"data": {"missing": list(stamp.missing)}},
        )
    if settings.opaque_ports:
        log.warning(
            "The bytes of connections to opaque ports pass unread, and without a token.",
            extra={"data": {"ports": [str(ports) for ports in settings.opaque_ports]}},
        )
    if not app.memory.begins_whole:
        log.warning(
            "The application was there before the sidecar, so tokens may have been handed out that "
            "nobody watched. Start the sidecar first, and keep what it sees in state_dir."
        )
    data: dict[str, object] = {
        "service": settings.service,
        "version": stamp.version,
        "listen": addresses,
        "admin": settings.admin,
        "upstream": settings.upstream.url,
        "mode": settings.auth.mode,
    }
    if waits_for:
        log.info(
            "The sidecar serves, and is not ready yet.",
            extra={"data": {**data, "keys": _key_ids(app), "waits_for": dict(waits_for)}},
        )
    app.readiness.when_ready(
        lambda: log.info("The sidecar is ready.", extra={"data": {**data, "keys": _key_ids(app)}})
    )


def _key_ids(app: App) -> list[str]:
    return list(app.store.current.by_id)
