"""What is told of two moments, and what is not."""

from collections.abc import Sequence
from dataclasses import replace

from sidecar.fleet.changes import changes_between
from sidecar.fleet.picture import Picture
from sidecar.fleet.source import SilentTarget
from sidecar.rotation.steps import Progress, Step
from sidecar.rotation.verdict import State
from tests.fleet.deployed import SYSTEM, THOUGHTS, USERS, Deployed, at, gone
from tests.fleet.pictures import picture, verdict


def told(before: Picture, after: Picture) -> list[tuple[str, str]]:
    return [(change.level, change.what) for change in changes_between(before, after)]


def of(*deployed: Deployed, silent: Sequence[SilentTarget] = ()) -> Picture:
    return picture(*deployed, silent=silent)


def test_nothing_new_is_nothing_to_tell() -> None:
    assert told(of(*SYSTEM), of(*SYSTEM)) == []


def test_a_rollout_is_told_when_it_begins_and_when_it_ends() -> None:
    middle = of(USERS, at(USERS, "v2.4"))
    assert told(of(USERS), middle) == [
        ("info", "users-backend runs v2.4 (1), v2.3 (3); before, v2.3 (3).")
    ]
    assert told(middle, of(at(USERS, "v2.4", 3))) == [
        ("info", "users-backend runs v2.4 (3); before, v2.4 (1), v2.3 (3).")
    ]


def test_more_replicas_of_a_version_are_no_change() -> None:
    assert told(of(USERS), of(at(USERS, "v2.3", 5))) == []


def test_a_service_that_comes_or_goes_is_told() -> None:
    assert told(of(USERS), of(USERS, Deployed("billing", "v1"))) == [
        ("info", "billing is new in the fleet: v1 (1).")
    ]
    assert told(of(USERS, Deployed("billing", "v1")), of(USERS)) == [
        ("warning", "billing is not in the fleet any more.")
    ]


def test_a_need_that_is_not_met_any_more_is_told_with_its_reason_and_then_that_it_is() -> None:
    broken = of(at(USERS, "v2.2", 3), THOUGHTS)
    assert told(of(USERS, THOUGHTS), broken)[-1] == (
        "warning",
        "thoughts-backend v1.6 needs users-backend (called users) >=v2.3: not satisfied, "
        "v2.2 is older than v2.3.",
    )
    assert told(broken, of(USERS, THOUGHTS))[-1] == (
        "info",
        "thoughts-backend v1.6 needs users-backend (called users) >=v2.3: satisfied.",
    )


def test_silence_and_its_end_are_told() -> None:
    silent = of(USERS, silent=[gone("users-backend")])
    (level, what) = told(of(USERS), silent)[0]
    assert level == "warning"
    assert what.startswith("users-backend at 10.0.9.9:15020 is silent since ")
    assert told(silent, of(USERS)) == [
        ("info", "users-backend at 10.0.9.9:15020 is silent no more.")
    ]


def test_a_key_that_may_go_and_one_that_is_gone_are_told() -> None:
    before, after = (
        picture(USERS, verdicts={"2026-08": verdict(state)})
        for state in (State.IN_USE, State.RETIRABLE)
    )
    assert told(before, after) == [("info", "Key 2026-08 is retirable now.")]
    assert told(after, of(USERS)) == [("info", "Key 2026-08 is held by nobody any more.")]
    assert told(of(USERS), before) == [("info", "Key 2026-08 is held: in use.")]


def test_a_step_that_is_done_is_told_and_one_that_is_not_done_any_more_is_a_warning() -> None:
    step = Step(2, "The backends hold the new key", Progress.NOT_YET, "Some do not.")
    before = picture(USERS, steps=(step,))
    after = picture(USERS, steps=(replace(step, progress=Progress.DONE),))
    assert told(before, after) == [("info", "Step 2, the backends hold the new key: done.")]
    assert told(after, before) == [("warning", "Step 2, the backends hold the new key: not yet.")]
