"""The demo from start to end: raise the system, tell the story, leave nothing behind.

Called by ``cli.demo``.
"""

import asyncio
import shlex
import time
from collections.abc import Sequence

from sidecar.demo.caller import Caller
from sidecar.demo.interruption import Interruption
from sidecar.demo.screen import Screen
from sidecar.demo.story import NEW, OLD, Story
from sidecar.demo.system import PRIVATE_PATH, PUBLIC_PATH, System, build_system
from sidecar.demo.tally import Tally

_LOOK_AROUND_S = 0.2


def perform(screen: Screen, program: Sequence[str], *, once: bool) -> int:
    """Give the demo; the exit code: 0 everything as expected, 1 not, 128 + N ended by signal N.

    ``program``: how this program is called, for the commands to try. Without ``once`` it stays up
    until a signal. Raises SidecarError when a process fails.
    """
    interruption = Interruption()
    try:
        return asyncio.run(_perform(screen, shlex.join(program), interruption, once=once))
    except asyncio.CancelledError:
        if interruption.exit_code is None:
            raise
        screen.line()
        screen.line("Interrupted; nothing is left behind.")
        return interruption.exit_code


async def _perform(screen: Screen, program: str, interruption: Interruption, *, once: bool) -> int:
    task = asyncio.current_task()
    assert task is not None
    interruption.watch(task)
    begun_at = time.monotonic()
    with build_system() as system:
        async with Caller() as caller:
            system.mint.make_key(OLD)
            system.accept_key(OLD)
            system.start()
            system.mint.make_key(NEW)
            await system.wait_until_ready(caller)
            _introduce(screen, system, time.monotonic() - begun_at)
            story = Story(system, caller, screen)
            await story.show_tokens()
            await story.show_arrival()
            await story.show_removal()
            _conclude(screen, story.tally)
            system.check()
            if once:
                _suggest(screen, program)
            else:
                _open_doors(screen, system, program, story.newest_token)
                while True:
                    await asyncio.sleep(_LOOK_AROUND_S)
                    system.check()
        return 1 if story.tally.wrong else 0


def _introduce(screen: Screen, system: System, took_s: float) -> None:
    arrow = screen.arrow
    service, upstream = (
        url.removeprefix("http://") for url in (system.service_url, system.upstream_url)
    )
    screen.heading(f"An application and its sidecar, started in {took_s:.1f} s")
    screen.line(f"callers {arrow} sidecar {service} {arrow} thoughts {upstream}")


def _conclude(screen: Screen, tally: Tally) -> None:
    screen.heading("The counts")
    answers = f"{tally.asked:,} requests: {tally.accepted:,} accepted, {tally.refused:,} refused"
    screen.verdict(f"{answers}, {tally.wrong:,} wrong answers", is_right=not tally.wrong)
    for surprise in tally.surprises:
        screen.line(f"wrong: {surprise}")


def _suggest(screen: Screen, program: str) -> None:
    """After the end: what works in any place."""
    screen.heading("Three commands to try next")
    screen.line(f"{program} demo")
    screen.line(f"{program} keys generate --id {NEW} --out keys")
    screen.line(f"{program} run --upstream http://127.0.0.1:8000 --keyring keys/{NEW}.pub")


def _open_doors(screen: Screen, system: System, program: str, token: str) -> None:
    """While it stays up: where to look, and what to do with what is there."""
    keyring = shlex.quote(str(system.keyring))
    old_key = shlex.quote(str(system.mint.public_file(OLD)))
    screen.heading("It stays up until Ctrl-C")
    screen.line(f"console  {system.admin_url}/")
    screen.line(f"metrics  {system.admin_url}/metrics")
    screen.line(f"service  {system.service_url}{PUBLIC_PATH}")
    screen.line(f"log      {system.sidecar_log}")
    screen.heading(f"A token of {NEW}, good for this demo alone")
    screen.line(f"TOKEN={token}")
    screen.heading("Three commands to try next")
    screen.line(f'curl -i -H "Authorization: Bearer $TOKEN" {system.service_url}{PRIVATE_PATH}')
    screen.line(f"{program} token inspect --keyring {keyring} $TOKEN")
    screen.line(f"cp {old_key} {keyring} && sleep 1 && curl {system.admin_url}/keys")
