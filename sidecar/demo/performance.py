"""The demo from start to end: raise the system, tell the story, leave nothing behind.

Called by ``cli.demo``.
"""

import asyncio
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sidecar.demo.caller import Caller
from sidecar.demo.interruption import Interruption
from sidecar.demo.observer import Observer, Source
from sidecar.demo.picture import Counts, draw
from sidecar.demo.pods import FRONTEND, LIFETIME_S, USERS, Pod
from sidecar.demo.prometheus import Scraper
from sidecar.demo.screen import Row, Screen
from sidecar.demo.stage import Line
from sidecar.demo.store import Store
from sidecar.demo.story import NEW, OLD, Story, take_steps
from sidecar.demo.system import System, build_system
from sidecar.demo.visitors import Tally, Visitors
from sidecar.errors import SidecarError
from sidecar.rotation.replica import Fleet

_LOOK_AROUND_S = 0.2


@dataclass(frozen=True, slots=True)
class Theatre:
    """Where the demo is given, and with what.

    ``show`` takes each new picture; ``program`` is how this program is called, for the commands to
    try. ``prometheus``: the program, None = the embedded store.
    """

    screen: Screen
    show: Callable[[Sequence[Line]], None]
    program: str
    prometheus: str | None


def perform(
    screen: Screen,
    show: Callable[[Sequence[Line]], None],
    program: Sequence[str],
    *,
    once: bool,
    prometheus: str | None,
) -> int:
    """Give the demo; the exit code: 0 everything as expected, 1 not, 128 + N ended by signal N.

    Without ``once`` it stays up until a signal. Raises SidecarError when a process fails, or a step
    is not done in time. ``prometheus``: the program to start, None = the embedded store.
    """
    interruption = Interruption()
    theatre = Theatre(screen, show, shlex.join(program), prometheus)
    try:
        return asyncio.run(_perform(theatre, interruption, once=once))
    except (asyncio.CancelledError, SidecarError, BaseExceptionGroup) as error:
        show([])
        if interruption.exit_code is None:
            raise _first_of(error) from None
        screen.line()
        screen.line("Interrupted; nothing is left behind.")
        return interruption.exit_code


def _first_of(error: BaseException) -> BaseException:
    """Of several failures at once, the first of ours."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(SidecarError)
        error = (ours or error).exceptions[0]
    return error


async def _perform(theatre: Theatre, interruption: Interruption, *, once: bool) -> int:
    task = asyncio.current_task()
    assert task is not None
    interruption.watch(task)
    begun_at, watched_since = time.monotonic(), time.time()
    with build_system() as system:
        async with Caller() as caller:
            theatre.show([[(" Starting three services and their sidecars ...", {"dim": True})]])
            await _raise(system, caller)
            _introduce(theatre.screen, system, time.monotonic() - begun_at)
            await _show_dependencies(theatre.screen, system, caller)
            source = _build_source(theatre.prometheus, system, watched_since)
            theatre.screen.line()
            theatre.screen.paragraph(f"The evidence is kept by {source.name}.")
            visitors = Visitors(system.pods_of(FRONTEND)[0].url)

            def show(fleet: Fleet) -> None:
                tally = visitors.tally
                counts = Counts(tally.asked, tally.failed, time.monotonic() - begun_at)
                theatre.show(draw(fleet, take_steps(fleet), counts))

            observer = Observer(source, show)
            story = Story(system, caller, theatre.screen, observer, begun_at)
            try:
                async with asyncio.TaskGroup() as tasks:
                    background = [
                        tasks.create_task(each)
                        for each in (source.run(), observer.run(), visitors.run(), _guard(system))
                    ]
                    await story.tell()
                    _conclude(theatre.screen, visitors.tally, story.wrong)
                    if once:
                        _suggest(theatre)
                        for each in background:
                            each.cancel()
                    else:
                        _open_doors(theatre, system, source)
            finally:
                await source.close()
            theatre.show([])
            return 1 if visitors.tally.failed or story.wrong else 0


async def _raise(system: System, caller: Caller) -> None:
    """Start everything, with the old key everywhere; and have the new one ready."""
    system.mint.make_key(OLD)
    pods = list(system.pods.values())
    for pod in pods:
        system.accept_key(pod, OLD)
    for pod in system.pods_of(USERS):
        system.sign_with(pod, OLD)
    await system.start(caller, *pods)
    system.mint.make_key(NEW)


def _build_source(prometheus: str | None, system: System, watched_since: float) -> Source:
    def pods() -> Mapping[str, Pod]:
        return system.pods

    if prometheus is None:
        return Store(pods, watched_since)
    directory = system.directory / "prometheus"
    scraper = Scraper(directory, system.reserve_port(), pods, watched_since)
    scraper.start(system.processes, prometheus)
    return scraper


async def _guard(system: System) -> None:
    """See to it that no process ends by itself."""
    while True:
        system.check()
        await asyncio.sleep(_LOOK_AROUND_S)


def _introduce(screen: Screen, system: System, took_s: float) -> None:
    screen.heading(f"Three services, each behind its own sidecar, started in {took_s:.1f} s")
    for pod in system.pods.values():
        does = "signs tokens" if pod.service.signs else "verifies tokens"
        screen.paragraph(f"{pod.name:<11} {pod.service.name} {pod.service.version}, {does}")
    screen.paragraph(f"visitors {screen.arrow} frontend {screen.arrow} the backends, all the time")
    screen.paragraph(f"a token is good for {LIFETIME_S} s here, in place of two days")


async def _show_dependencies(screen: Screen, system: System, caller: Caller) -> None:
    """What the sidecars found when they asked what their services need; else none is ready."""
    screen.line()
    screen.paragraph("What each needs of the others, as its sidecar has asked:")
    rows = []
    for pod in system.pods.values():
        for each in await caller.fetch_dependencies(pod.admin_url):
            cells = (pod.service.name, each["name"], each["requires"], each["version"])
            rows.append(Row((*cells, each["state"]), bool(each["satisfied"])))
    screen.table(("SERVICE", "NEEDS", "VERSION", "RUNS", "STATE"), rows)


def _conclude(screen: Screen, tally: Tally, wrong: list[str]) -> None:
    screen.heading("The counts")
    text = f"{tally.asked:,} requests of visitors, {tally.logins:,} logins, {tally.failed:,} failed"
    screen.verdict(text, is_right=not tally.failed)
    for failure in (*tally.failures, *wrong):
        screen.paragraph(f"wrong: {failure}")


def _suggest(theatre: Theatre) -> None:
    """After the end: what works in any place."""
    screen, program = theatre.screen, theatre.program
    screen.heading("Three commands to try next")
    screen.line(f"{program} demo")
    screen.line(f"{program} keys generate --id {NEW} --out keys")
    screen.line(f"{program} run --upstream http://127.0.0.1:8000 --keyring keys/{NEW}.pub")


def _open_doors(theatre: Theatre, system: System, source: Source) -> None:
    """While it stays up: where to look, and what to do with what is there."""
    screen, program = theatre.screen, theatre.program
    screen.heading("It stays up until Ctrl-C")
    for pod in system.pods.values():
        screen.line(f"console of {pod.name:<11} {pod.admin_url}/")
    screen.line(f"logs and keys          {system.directory}")
    (frontend,) = system.pods_of(FRONTEND)
    options = shlex.join([*source.options(), "--frontend", FRONTEND])
    screen.heading("Three commands to try next")
    screen.line(f'curl -s -d \'{{"username": "you"}}\' {frontend.url}/login')
    screen.line(f"{program} rotate status {options}")
    screen.line(f"{program} fleet serve {options}")
