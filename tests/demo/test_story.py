"""The story with a real sidecar that is led astray: what goes wrong must be seen and counted."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.demo.caller import Caller
from sidecar.demo.screen import Screen
from sidecar.demo.story import NEW, OLD, Story
from sidecar.demo.system import PRIVATE_PATH, System, build_system


class Told:
    """A story that is about to be told, and the lines of its screen."""

    def __init__(self, system: System, caller: Caller) -> None:
        self.system = system
        self.lines: list[str] = []
        self.story = Story(system, caller, Screen(self.lines.append, is_plain=True))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    with build_system() as system:
        async with Caller() as caller:
            for key_id in (OLD, NEW):
                system.mint.make_key(key_id)
            system.accept_key(OLD)
            system.start()
            await system.wait_until_ready(caller)
            yield Told(system, caller)


async def test_a_key_that_is_accepted_before_it_was_added_is_seen(told: Told) -> None:
    told.system.accept_key(NEW)
    async with Caller() as stranger, asyncio.timeout(30):
        url = told.system.service_url + PRIVATE_PATH
        token = told.system.mint.valid(NEW, "stranger")
        while (await stranger.ask(url, token)).status != 200:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.01)

    await told.story.show_arrival()

    assert "valid token of the new key: 200" in told.story.tally.surprises


async def test_a_key_that_stays_although_it_was_removed_is_seen(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.story.show_arrival()
    assert told.story.tally.wrong == 0
    monkeypatch.setattr(System, "remove_key", lambda *_: None)

    await told.story.show_removal()

    assert f"WRONG tokens of {OLD}: accepted -> refused, not within 2 s" in told.text
    assert "valid token of the old key: 200" in told.story.tally.surprises


async def test_requests_that_the_callers_did_not_send_make_the_counts_differ(told: Told) -> None:
    async with Caller() as stranger:
        token = told.system.mint.valid(OLD, "stranger")
        await stranger.ask(told.system.service_url + PRIVATE_PATH, token)

    await told.story.show_tokens()

    assert told.story.tally.surprises == [f"/keys counts 2 accepted tokens of {OLD}"]
    assert f"WRONG {OLD}  2" in told.text
