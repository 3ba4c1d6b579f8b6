"""Deployments and rollbacks: who would be left unsatisfied, and what has to go first."""

import pytest

from sidecar.fleet.change import Told, judge_deployment, judge_rollback
from sidecar.fleet.going_first import Move
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


def needing(service: str, **needs: str) -> Deployed:
    return Deployed(service, "v1", {name: Asked(requires) for name, requires in needs.items()})


# --- back ----------------------------------------------------------------------------------------


def test_a_rollback_that_somebody_does_not_accept_is_refused_and_they_are_named() -> None:
    change = judge_rollback(fleet(*SYSTEM), "users-backend", "v2.2")
    assert change.is_allowed is False
    refusing = [each for each in change.users if each.judgement.holds is False]
    assert [(each.user, each.version, each.replicas) for each in refusing] == [
        ("thoughts-backend", "v1.6", 2)
    ]
    assert refusing[0].judgement.why == "v2.2 is older than v2.3"
    # The frontend would not mind.
    assert [each.user for each in change.users if each.judgement.holds] == ["frontend"]


def test_whoever_needs_just_what_goes_back_goes_back_before_it() -> None:
    first = judge_rollback(fleet(*SYSTEM), "users-backend", "v2.2").first
    assert [(each.service, each.move) for each in first] == [
        ("frontend", Move.BACK),
        ("thoughts-backend", Move.BACK),
    ]
    assert first[0].why == "its v4.1 needs thoughts-backend >=v1.6"
    assert first[1].why == "its v1.6 needs users-backend >=v2.3"


def test_whoever_may_accept_what_it_goes_back_to_stays() -> None:
    frontend = Deployed("frontend", "v4.1", {"thoughts-backend": Asked(">=v1.5", "v1.6")})
    first = judge_rollback(fleet(USERS, THOUGHTS, frontend), "users-backend", "v2.2").first
    assert [each.service for each in first] == ["thoughts-backend"]


def test_a_rollback_that_everybody_accepts_is_allowed() -> None:
    change = judge_rollback(fleet(*SYSTEM), "thoughts-backend", "v1.6")
    assert change.is_allowed is True
    assert judge_rollback(fleet(*SYSTEM), "frontend", "v3").is_allowed is True


def test_what_nobody_needs_may_go_back_to_anything() -> None:
    assert judge_rollback(fleet(*SYSTEM), "frontend", "latest").is_allowed is True


def test_a_version_without_an_order_is_not_known_to_be_accepted() -> None:
    assert judge_rollback(fleet(*SYSTEM), "users-backend", "latest").is_allowed is None


def test_one_version_of_a_user_in_a_rollout_is_enough_to_refuse() -> None:
    old = Deployed("thoughts-backend", "v1.5", {"users": Asked(">=v2.0", "v2.3", "users-backend")})
    change = judge_rollback(fleet(USERS, old, THOUGHTS), "users-backend", "v2.2")
    assert [(each.version, each.judgement.holds) for each in change.users] == [
        ("v1.6", False),
        ("v1.5", True),
    ]


def test_the_needs_of_the_old_version_are_known_where_it_still_runs() -> None:
    old = Deployed("thoughts-backend", "v1.5", {"users-backend": Asked("<v2", "v2.3")})
    change = judge_rollback(fleet(USERS, THOUGHTS, old), "thoughts-backend", "v1.5")
    assert change.as_of == "v1.5"
    assert change.needs is not None
    assert change.needs[0].judgement.why == "v2.3 is not below v2"
    assert change.is_allowed is False
    assert judge_rollback(fleet(*SYSTEM), "thoughts-backend", "v1.5").needs is None


@pytest.mark.parametrize("who", ["frontend", "billing", ""])
def test_a_silent_replica_of_another_service_may_need_it(who: str) -> None:
    change = judge_rollback(fleet(USERS, silent=[gone(who)]), "users-backend", "v2.2")
    assert change.is_allowed is None
    assert len(change.silent) == 1


def test_a_silent_replica_of_the_service_itself_does_not_matter() -> None:
    change = judge_rollback(fleet(USERS, silent=[gone("users-backend")]), "users-backend", "v2.2")
    assert change.is_allowed is True


def test_a_silent_replica_does_not_make_a_no_unknown() -> None:
    change = judge_rollback(fleet(*SYSTEM, silent=[gone("")]), "users-backend", "v2.2")
    assert change.is_allowed is False


def test_a_dependency_that_never_said_who_it_is_counts_where_it_makes_a_difference() -> None:
    unsure = Deployed("billing", "v1", {"login": never(">=v2.3")})
    assert judge_rollback(fleet(USERS, unsure), "users-backend", "v2.2").is_allowed is None
    assert judge_rollback(fleet(USERS, unsure), "users-backend", "v2.4").is_allowed is True


def test_a_dependency_that_answers_without_a_name_may_be_who_runs_that_version() -> None:
    unsure = Deployed("billing", "v1", {"login": Asked(">=v2.3", "v2.3")})
    change = judge_rollback(fleet(USERS, unsure), "users-backend", "v2.2")
    assert change.is_allowed is None
    assert change.users[0].judgement.why == (
        "nobody knows whether what it calls login is users-backend"
    )
    # What answers v7 is none of the services that run v2.3.
    other = Deployed("billing", "v1", {"payments": Asked(">=v5", "v7")})
    search = Deployed("search", "v7")
    assert judge_rollback(fleet(USERS, other), "users-backend", "v2.2").is_allowed is True
    assert judge_rollback(fleet(USERS, other, search), "users-backend", "v2.2").is_allowed is True
    assert judge_rollback(fleet(USERS, other, search), "search", "v4").is_allowed is None


def test_who_calls_itself_as_no_service_of_the_fleet_is_meant_by_its_users_name_for_it() -> None:
    user = Deployed("billing", "v1", {"users-backend": Asked(">=v2.3", "v2.3", "Users API")})
    assert judge_rollback(fleet(USERS, user), "users-backend", "v2.2").is_allowed is False


# --- forward -------------------------------------------------------------------------------------


def told(**requires: str) -> list[Told]:
    return [Told(name.replace("_", "-"), each) for name, each in requires.items()]


def test_a_deployment_whose_needs_run_is_allowed() -> None:
    change = judge_deployment(
        fleet(*SYSTEM), "thoughts-backend", "v1.7", told(users_backend=">=v2.3")
    )
    assert change.is_allowed is True
    assert change.as_of is None


def test_what_is_too_old_has_to_go_first() -> None:
    change = judge_deployment(
        fleet(*SYSTEM), "thoughts-backend", "v1.7", told(users_backend=">=v2.4")
    )
    assert change.is_allowed is False
    assert [(each.service, each.move, each.why) for each in change.first] == [
        ("users-backend", Move.FORWARD, "v2.3 is older than v2.4")
    ]


def test_a_rollout_in_the_middle_has_to_end_first() -> None:
    change = judge_deployment(
        fleet(*SYSTEM, at(USERS, "v2.2")), "thoughts-backend", "v1.7", told(users_backend=">=v2.3")
    )
    assert change.first[0].why == "v2.2 is older than v2.3 (1 of 4)"


def test_what_goes_first_is_in_order_too() -> None:
    needs = told(thoughts_backend=">=v1.7", users_backend=">=v2.4")
    change = judge_deployment(fleet(*SYSTEM), "frontend", "v4.2", needs)
    assert [each.service for each in change.first] == ["users-backend", "thoughts-backend"]


def test_a_user_that_does_not_accept_so_new_a_version_has_to_go_first() -> None:
    bounded = Deployed("billing", "v1", {"users-backend": Asked(">=v2,<v3", "v2.3")})
    change = judge_deployment(fleet(USERS, bounded), "users-backend", "v3.0")
    assert change.is_allowed is False
    assert [(each.service, each.move) for each in change.first] == [("billing", Move.FORWARD)]
    assert change.first[0].why == "its v1 needs users-backend >=v2,<v3"


def test_what_is_not_told_is_as_in_the_version_that_runs() -> None:
    change = judge_deployment(fleet(*SYSTEM), "thoughts-backend", "v1.7")
    assert change.as_of == "v1.6"
    assert [(each.needed, each.requires) for each in change.needs or ()] == [
        ("users-backend", ">=v2.3")
    ]
    assert change.is_allowed is True


def test_a_first_deployment_needs_only_what_it_is_told() -> None:
    change = judge_deployment(fleet(USERS), "new", "v1", told(users_backend=">=v2.3"))
    assert change.is_allowed is True
    assert judge_deployment(fleet(USERS), "new", "v1", []).is_allowed is True


def test_a_deployment_of_which_nobody_says_what_it_needs_is_not_known() -> None:
    new = judge_deployment(fleet(USERS), "new", "v1")
    assert (new.needs, new.is_allowed) == (None, None)
    # Nobody is there to say what its running version needs.
    silent = judge_deployment(fleet(USERS, silent=[gone("search")]), "search", "v2")
    assert (silent.needs, silent.is_allowed) == (None, None)


def test_a_silent_replica_of_what_is_needed_may_be_too_old() -> None:
    change = judge_deployment(
        fleet(*SYSTEM, silent=[gone("users-backend")]),
        "thoughts-backend",
        "v1.7",
        told(users_backend=">=v2.3"),
    )
    assert change.is_allowed is None


def test_what_is_outside_of_the_fleet_is_judged_by_its_answers() -> None:
    found = fleet(
        needing("a", payments=">=v1"), Deployed("b", "v1", {"payments": Asked("any", "v5")})
    )
    assert judge_deployment(found, "b", "v2", told(payments=">=v5")).is_allowed is None
    known = fleet(Deployed("b", "v1", {"payments": Asked("any", "v5")}))
    assert judge_deployment(known, "b", "v2", told(payments=">=v5")).is_allowed is True
    assert judge_deployment(known, "b", "v2", told(payments=">=v6")).is_allowed is False


def test_users_that_need_each_other_end() -> None:
    ring = [
        Deployed("a", "v2", {"b": Asked(">=v2", "v2"), "users-backend": Asked(">=v2.3", "v2.3")}),
        Deployed("b", "v2", {"a": Asked(">=v2", "v2")}),
    ]
    first = judge_rollback(fleet(USERS, *ring), "users-backend", "v2.2").first
    assert {each.service for each in first} == {"a", "b"}
