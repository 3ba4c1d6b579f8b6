"""Whether a need is met, from what runs and from what was answered."""

import pytest

from sidecar.fleet.needs import judge_needs
from sidecar.fleet.status import build_status
from tests.fleet.deployed import (
    SYSTEM,
    THOUGHTS,
    USERS,
    Asked,
    Deployed,
    at,
    fleet,
    gone,
    never,
)


def judged(*deployed: Deployed, **more: object) -> tuple[bool | None, str]:
    """The one need of thoughts."""
    (found,) = judge_needs(fleet(*deployed, **more))  # type: ignore[arg-type]
    return found.judgement.holds, found.judgement.why


def needing(asked: Asked) -> Deployed:
    return Deployed("thoughts-backend", "v1.6", {"users-backend": asked})


def test_what_runs_and_what_was_answered_will_do() -> None:
    assert judged(USERS, THOUGHTS) == (True, "v2.3 meets >=v2.3")


def test_one_old_replica_among_new_ones_is_not_enough() -> None:
    assert judged(USERS, at(USERS, "v2.2"), THOUGHTS) == (False, "v2.2 is older than v2.3 (1 of 4)")


def test_an_answer_that_will_not_do_counts_though_all_that_is_seen_to_run_would() -> None:
    asked = Asked(">=v2.3", "v2.2", "users-backend", is_satisfied=False)
    assert judged(USERS, needing(asked)) == (False, "v2.2 is older than v2.3")


@pytest.mark.parametrize(
    ("deployed", "why"),
    [
        ([USERS, needing(never(">=v2.3"))], "it does not answer who needs it"),
        (
            [USERS, needing(Asked(">=v2.3", "v2.3", is_up=False, is_satisfied=False))],
            "it does not answer who needs it; the last answer was v2.3",
        ),
        (
            [USERS, needing(Asked(">=v2.3", "v2.3", is_satisfied=False))],
            "it is not ready itself, or contradicts itself",
        ),
        ([at(USERS, "latest"), THOUGHTS], "'latest' names no number that could be ordered"),
        ([at(USERS, "unknown"), THOUGHTS], "its version is unknown"),
        (
            [Deployed("users-backend", "v2.3", verified=False), THOUGHTS],
            "1 replica of users-backend says another version than v2.3",
        ),
        ([USERS, needing(Asked("~>2.3", "v2.3"))], "the requirement '~>2.3' cannot be read"),
    ],
)
def test_what_nobody_can_tell_is_not_known(deployed: list[Deployed], why: str) -> None:
    assert judged(*deployed) == (None, why)


def test_a_silent_replica_never_counts_as_satisfied() -> None:
    holds, why = judged(USERS, THOUGHTS, silent=[gone("users-backend")])
    assert (holds, why) == (None, "1 replica of users-backend does not answer")


def test_a_no_weighs_more_than_what_is_not_known() -> None:
    holds, _ = judged(at(USERS, "v2.2"), THOUGHTS, silent=[gone("users-backend")])
    assert holds is False


def test_a_service_outside_of_the_fleet_is_judged_by_its_answers() -> None:
    assert judged(THOUGHTS) == (True, "v2.3 meets >=v2.3")


def test_any_version_will_do_even_an_unknown_one() -> None:
    assert judged(at(USERS, "unknown"), needing(Asked("any"))) == (True, "any version will do")


# --- the whole -----------------------------------------------------------------------------------


def test_a_fleet_is_satisfied_when_every_need_is() -> None:
    status = build_status(fleet(*SYSTEM))
    assert status.is_satisfied is True
    assert status.remarks() == []


def test_a_silent_target_leaves_a_fleet_unknown_even_where_nobody_needs_it() -> None:
    status = build_status(fleet(*SYSTEM, silent=[gone("")]))
    assert status.is_satisfied is None
    (remark,) = status.remarks()
    assert remark == (
        "The target 10.0.9.9:15020 is silent since 2026-11-18T11:05:40Z (connection refused)."
    )


def test_what_deserves_a_look_is_said() -> None:
    remarks = build_status(
        fleet(
            USERS,
            at(USERS, "v2.2"),
            Deployed("thoughts", "unknown", replicas=2),
            Deployed("frontend", "v4", verified=False),
            Deployed("billing", "v1", commit="a" * 40),
            Deployed("billing", "v1", commit="b" * 40),
            Deployed("unknown", "v1"),
        )
    ).remarks()
    assert remarks == [
        "billing v1 is 2 different commits.",
        "frontend v4: the application of 1 replica says another version.",
        "thoughts: the version of 2 replicas is unknown: build the image with VERSION_NAME.",
        "1 replica says no service's name: set service there.",
        "users-backend is in the middle of a rollout: v2.3 on 3, v2.2 on 1.",
    ]


def test_the_document_says_all_of_it() -> None:
    document = build_status(fleet(*SYSTEM, silent=[gone("users-backend")])).document()
    assert document["satisfied"] is None
    users = next(each for each in document["services"] if each["name"] == "users-backend")
    assert (users["replicas"], users["silent"], users["mixed"]) == (3, 1, False)
    assert users["versions"][0]["instances"] == [
        "10.0.0.1:15020",
        "10.0.0.2:15020",
        "10.0.0.3:15020",
    ]
    need = next(each for each in document["needs"] if each["service"] == "thoughts-backend")
    assert need == {
        "service": "thoughts-backend",
        "version": "v1.6",
        "replicas": 2,
        "needs": "users-backend",
        "dependency": "users",
        "requires": ">=v2.3",
        "satisfied": None,
        "why": "1 replica of users-backend does not answer",
    }
    assert document["silent"][0]["service"] == "users-backend"
