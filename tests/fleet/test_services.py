"""What runs and who is meant, from what the instances of a fleet say."""

from dataclasses import replace

import pytest

from sidecar.fleet.instances import METRICS, read_instances
from sidecar.fleet.services import build_fleet, newest_first
from sidecar.fleet.source import Current, Sample, SilentTarget
from tests.fleet.deployed import (
    FRONTEND,
    NOW,
    SYSTEM,
    THOUGHTS,
    USERS,
    Asked,
    Deployed,
    at,
    current,
    fleet,
    gone,
    never,
)


def test_every_service_is_found_with_its_versions_and_replicas() -> None:
    found = fleet(*SYSTEM, at(USERS, "v2.2"))
    assert found.deployed == ("frontend", "thoughts-backend", "users-backend")
    users = found.services["users-backend"]
    assert [(each.version, len(each.replicas)) for each in users.running] == [
        ("v2.3", 3),
        ("v2.2", 1),
    ]
    assert users.is_mixed
    assert users.replicas == 4
    assert not found.services["frontend"].is_mixed


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"namespace": "shop", "pod": "a"},
        {"service": "users-metrics", "version": "9", "commit": "z"},
    ],
    ids=["none", "kubernetes", "same names as ours"],
)
def test_labels_of_discovery_change_nothing(target: dict[str, str]) -> None:
    found = build_fleet(current(*SYSTEM, target=target))
    assert found.deployed == ("frontend", "thoughts-backend", "users-backend")
    (thoughts,) = found.services["thoughts-backend"].running
    (need,) = thoughts.needs
    assert (need.service, need.requires, need.stated[0].version) == (
        "users-backend",
        ">=v2.3",
        "v2.3",
    )


def test_targets_of_two_clusters_with_one_address_are_two_instances() -> None:
    both = [current(USERS, target={"cluster": each}) for each in ("a", "b")]
    samples = tuple(sample for each in both for sample in each.samples)
    found = build_fleet(Current(NOW, samples, ()))
    assert found.services["users-backend"].replicas == 6


def test_an_instance_that_says_two_versions_at_once_has_none_that_is_known() -> None:
    samples = current(Deployed("users", "v1")).samples
    info = next(each for each in samples if each.name == "sidecar_service_info")
    other = replace(info, labels={**info.labels, "version": "v2"})
    (instance,) = read_instances(Current(NOW, (*samples, other), ()))
    assert instance.version.version == "unknown"


def test_what_would_move_a_terminals_cursor_is_not_shown() -> None:
    (instance,) = read_instances(current(Deployed("us\x1b[2Jers", "v1\n")))
    assert instance.service == "us?[2Jers"
    assert instance.version.version == "v1?"


@pytest.mark.parametrize("name", ["us\x1b[2Jers", "us\ud800ers"])
def test_nor_is_it_of_a_replica_that_is_silent(name: str) -> None:
    """It is the service that it would be if it answered."""
    running = Deployed(name, "v1")
    found = build_fleet(
        current(running, silent=[SilentTarget(f"j{name}", f"i{name}", name, None, "refused")])
    )
    ((shown, service),) = found.services.items()
    assert shown == name.replace("\x1b", "?").replace("\ud800", "?")
    assert len(service.silent) == 1
    assert all(
        text.isprintable() and text.isascii()
        for target in found.silent
        for text in (target.job, target.instance, target.last_service)
    )


def test_other_metrics_are_no_business_of_this() -> None:
    stranger = Sample("up", {"job": "x", "instance": "y"}, 1)
    assert read_instances(Current(NOW, (stranger,), ())) == ()
    assert "up" not in METRICS


# --- who is meant --------------------------------------------------------------------------------


def meant(*deployed: Deployed, of: str = "thoughts-backend") -> set[tuple[str, str, bool]]:
    return {
        (need.dependency, need.service, need.is_certain)
        for user, _, need in fleet(*deployed).needs()
        if user.name == of
    }


def needing(**needs: Asked) -> Deployed:
    return Deployed("thoughts-backend", "v1.6", needs)


def test_a_dependency_is_who_it_says_it_is() -> None:
    asked = Asked(">=v2", "v2.3", "users-backend")
    assert meant(USERS, needing(login=asked)) == {("login", "users-backend", True)}
    # The user's own name for it counts less, even where it is another service's.
    assert meant(USERS, FRONTEND, needing(frontend=asked)) == {("frontend", "users-backend", True)}


def test_a_dependency_that_says_no_name_is_the_service_of_its_users_name_for_it() -> None:
    silent = Asked(">=v2", "v2.3")
    assert meant(USERS, needing(**{"users-backend": silent})) == {
        ("users-backend", "users-backend", True)
    }


def test_a_dependency_that_never_answered_one_replica_is_who_it_told_another() -> None:
    replicas = (needing(login=Asked(">=v2", "v2.3", "users-backend")), needing(login=never(">=v2")))
    assert meant(USERS, *replicas) == {("login", "users-backend", True)}


def test_a_dependency_that_never_answered_and_has_nobodys_name_may_be_anybody() -> None:
    assert meant(USERS, needing(login=never(">=v2"))) == {("login", "login", False)}


def test_a_name_that_no_service_has_counts_less_than_the_users_own_for_it() -> None:
    # An application's own answer may well call itself "Users API".
    asked = Asked(">=v2", "v2.3", "Users API")
    assert meant(USERS, needing(**{"users-backend": asked})) == {
        ("users-backend", "users-backend", True)
    }
    assert meant(USERS, needing(login=asked)) == {("login", "Users API", False)}
    # Who is called what it calls itself is no other.
    asked = Asked(">=v2", "v2.3", "payments")
    assert meant(USERS, needing(payments=asked)) == {("payments", "payments", True)}


@pytest.mark.parametrize(
    ("answer", "is_certain"),
    [("v2.3", False), ("2.3.0", False), ("v7", True), ("unknown", False), ("v1.6", True)],
)
def test_a_dependency_without_a_name_may_be_whoever_runs_what_it_answers(
    answer: str, is_certain: bool
) -> None:
    """v1.6 is what its user itself runs."""
    assert meant(USERS, needing(login=Asked(">=v2", answer))) == {("login", "login", is_certain)}


def test_a_service_whose_application_says_another_version_may_answer_with_any() -> None:
    contradicted = Deployed("users-backend", "v2.3", verified=False)
    assert meant(contradicted, needing(login=Asked(">=v2", "v7"))) == {("login", "login", False)}


def test_one_name_may_mean_two_services_to_two_users() -> None:
    login = Deployed("login-v2", "v7")
    found = fleet(
        USERS,
        login,
        Deployed("a", "v1", {"login": Asked("any", "v2.3", "users-backend")}),
        Deployed("b", "v1", {"login": Asked("any", "v7", "login-v2")}),
    )
    assert found.resolve("login", "a") == "users-backend"
    assert found.resolve("login", "b") == "login-v2"
    assert found.resolve("login", "c") is None
    assert found.resolve("users-backend", "c") == "users-backend"
    assert found.resolve("nobody", "a") is None


def test_a_service_that_is_needed_and_not_in_the_fleet_is_outside_of_it() -> None:
    found = fleet(needing(payments=Asked(">=v1", "v1.2")))
    assert found.services["payments"].is_outside
    assert found.deployed == ("thoughts-backend",)


def test_silent_replicas_belong_to_the_service_that_they_last_said() -> None:
    found = fleet(USERS, silent=[gone("users-backend"), gone("ghost"), gone("")])
    assert len(found.services["users-backend"].silent) == 1
    assert found.services["users-backend"].replicas == 3
    assert not found.services["ghost"].is_outside
    assert found.deployed == ("ghost", "users-backend")


def test_who_needs_whom_is_told_once_whatever_the_version() -> None:
    found = fleet(*SYSTEM, at(THOUGHTS, "v1.5"))
    assert found.needed_by_name() == {
        "frontend": {"thoughts-backend", "users-backend"},
        "thoughts-backend": {"users-backend"},
        "users-backend": set(),
    }


def test_the_newest_version_comes_first_and_what_has_no_order_last() -> None:
    assert newest_first(["latest", "v1.9", "v1.10", "v1.10-3-g2257f9c", "abc"]) == [
        "v1.10-3-g2257f9c",
        "v1.10",
        "v1.9",
        "abc",
        "latest",
    ]
