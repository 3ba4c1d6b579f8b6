"""A watch keeps the last picture of a fleet while nobody answers."""

from collections.abc import Collection
from typing import Any, cast

import pytest

from sidecar.errors import FleetError
from sidecar.fleet import watch as module
from sidecar.fleet.direct import Direct
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.source import Current
from sidecar.fleet.watch import MAX_CHANGES, FleetWatch, Subject
from tests.fleet.deployed import SYSTEM, USERS, at, current
from tests.fleet.pictures import EVIDENCE


class World:
    """A source whose answers the test says."""

    name = "a test"

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.says: Current | Exception = current(*SYSTEM)

    async def current(self, names: Collection[str]) -> Current:
        assert {"sidecar_service_info", "sidecar_tokens_rejected_total"} <= set(names)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def ask(self, *_: Any, **__: Any) -> Evidence:
        return EVIDENCE


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(module, "ask", made.ask)
    return made


@pytest.fixture
async def watch(world: World) -> FleetWatch:
    made = FleetWatch(cast(Direct, world), Subject(3600.0), 1.0, lambda: world.now)
    await made.begin()
    return made


async def test_the_state_is_of_the_last_answer_and_its_time_of_now(
    world: World, watch: FleetWatch
) -> None:
    world.now += 3
    state = watch.state()
    assert state["now"] == "2026-11-18T11:06:43Z"
    assert state["lost"] is None
    assert len(state["services"]["nodes"]) == 3


async def test_a_source_that_is_gone_leaves_the_last_state_and_since_when(
    world: World, watch: FleetWatch
) -> None:
    nodes = watch.state()["services"]["nodes"]
    world.says = FleetError("Nobody is there.")
    for _ in range(3):
        world.now += 10
        await watch.look_again()
    state = watch.state()
    assert state["lost"] == "No answer since 2026-11-18T11:06:40Z: Nobody is there."
    assert state["services"]["nodes"] == nodes
    assert [each["what"] for each in state["changes"]] == ["Nobody is there."]
    world.says = current(*SYSTEM)
    await watch.look_again()
    state = watch.state()
    assert state["lost"] is None
    assert state["changes"][0]["what"] == "Answers come again from a test."


async def test_what_a_question_saw_that_broke_off_is_told_by_the_next(
    world: World, watch: FleetWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise FleetError("Nobody is there.")

    world.says = current(at(USERS, "v3.0"))
    with monkeypatch.context() as broken_off:
        broken_off.setattr(watch, "_load_points", broken)
        await watch.look_again()
    assert len(watch.state()["services"]["nodes"]) == 3  # the last state of which all is known
    await watch.look_again()
    said = [each["what"] for each in watch.state()["changes"]]
    assert any(each.startswith("users-backend runs v3.0 (1)") for each in said)


async def test_a_fault_of_ours_is_logged_and_does_not_end_the_watch(
    world: World, watch: FleetWatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.says = ZeroDivisionError()
    await watch.look_again()
    assert "A fault of the sidecar itself" in watch.state()["lost"]
    assert "ZeroDivisionError" in caplog.text
    world.says = current(*SYSTEM)
    await watch.look_again()
    assert watch.state()["lost"] is None


async def test_nobody_who_answers_at_the_beginning_is_an_error(world: World) -> None:
    world.says = FleetError("Nobody is there.")
    made = FleetWatch(cast(Direct, world), Subject(3600.0), 1.0, lambda: world.now)
    with pytest.raises(FleetError, match="Nobody is there"):
        await made.begin()


async def test_the_newest_changes_come_first_and_old_ones_are_forgotten(
    world: World, watch: FleetWatch
) -> None:
    for number in range(MAX_CHANGES + 3):
        world.says = current(at(USERS, f"v3.{number}"))
        await watch.look_again()
    changes = watch.state()["changes"]
    assert len(changes) == MAX_CHANGES
    assert changes[0]["what"].startswith(f"users-backend runs v3.{MAX_CHANGES + 2} (1)")
