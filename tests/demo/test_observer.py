"""Whoever waits for something in the fleet gets the first view that has it, or none in time."""

import asyncio
from contextlib import suppress

from sidecar.demo.observer import Observer
from sidecar.rotation.replica import Fleet
from tests.rotation.fleets import fleet, verifier


class Growing:
    """A source whose fleet has one more replica each time."""

    name = "growing"

    def __init__(self) -> None:
        self.count = 0

    def options(self) -> list[str]:
        return []

    async def run(self) -> None:
        """Nothing to gather."""

    async def close(self) -> None:
        """Nothing is open."""

    async def fleet(self) -> Fleet:
        self.count += 1
        return fleet(*(verifier(f"t-{number}") for number in range(self.count)))


async def test_the_first_view_of_which_it_is_so() -> None:
    shown: list[Fleet] = []
    observer = Observer(Growing(), shown.append)
    task = asyncio.get_running_loop().create_task(observer.run())

    found = await observer.until(lambda fleet: len(fleet.present) >= 2, 30)
    never = await observer.until(lambda _: False, 0.1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert found is not None
    assert len(found.present) == 2
    assert found is shown[1]
    assert never is None
