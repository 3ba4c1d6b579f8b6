"""The document of a fleet's page."""

import json
from typing import Any

from sidecar.fleet.changes import Change
from sidecar.fleet.picture import REFUSALS, Picture, count_refusals
from sidecar.fleet.source import Current, Sample
from sidecar.fleet.state import MAX_DRAWN, build_fleet_state
from sidecar.metrics.history import Point
from tests.fleet.deployed import NOW, SYSTEM, THOUGHTS, USERS, Asked, Deployed, at, gone
from tests.fleet.pictures import picture


def state(of: Picture, lost: str | None = None) -> dict[str, Any]:
    document = build_fleet_state(
        of,
        points=[Point(NOW, 15.0, 1.25, 0.5)],
        changes=[Change(NOW, "warning", "Something happened.")],
        lost=lost,
        now=NOW,
    )
    json.dumps(document)
    return document


def test_the_whole_is_summed_up_in_words_and_not_by_a_colour_alone() -> None:
    assert state(picture(*SYSTEM))["status"] == {"kind": "good", "text": "✓ every need is met"}
    broken = picture(at(USERS, "v2.2"), THOUGHTS)
    assert state(broken)["status"] == {"kind": "bad", "text": "✗ 1 need not met"}
    unsure = picture(*SYSTEM, silent=[gone("")])
    assert state(unsure)["status"] == {"kind": "open", "text": "? not all is known"}


def test_services_are_drawn_from_left_to_right_with_what_holds_between_them() -> None:
    services = state(picture(at(USERS, "v2.2"), *SYSTEM[1:]))["services"]
    names = [node["name"] for node in services["nodes"]]
    assert {node["name"]: node["column"] for node in services["nodes"]} == {
        "frontend": 0,
        "thoughts-backend": 1,
        "users-backend": 2,
    }
    edges = {(names[edge["from"]], names[edge["to"]]): edge for edge in services["edges"]}
    assert edges["thoughts-backend", "users-backend"]["satisfied"] is False
    assert edges["frontend", "thoughts-backend"]["satisfied"] is True
    assert len(edges["frontend", "users-backend"]["via"]) == 1


def test_an_edge_holds_only_if_it_does_for_every_version_of_the_user() -> None:
    old = Deployed("thoughts-backend", "v1.5", {"users-backend": Asked("<v2", "v2.3")})
    (edge,) = state(picture(USERS, THOUGHTS, old))["services"]["edges"]
    assert edge["satisfied"] is False


def test_more_services_than_anybody_can_follow_are_in_the_tables_alone() -> None:
    many = [Deployed(f"s{number}", "v1") for number in range(MAX_DRAWN + 1)]
    services = state(picture(*many))["services"]
    assert services["nodes"] == []
    assert len(services["tables"][0]["rows"]) == MAX_DRAWN + 1


def test_the_tables_say_what_runs_and_what_it_needs() -> None:
    outside = Deployed("billing", "v1", {"payments": Asked("any", "v5")})
    services = state(picture(USERS, outside, silent=[gone("users-backend")]))["services"]
    running, needs = services["tables"]
    assert ["users-backend", "v2.3", 3, "2257f9c0a1b2", "-"] in running["rows"]
    assert ["users-backend", "not known (silent)", 1, "", ""] in running["rows"]
    assert ["payments", "v5 (not in this fleet)", "", "", ""] in running["rows"]
    holds = {"satisfied": True, "why": "any version will do"}
    assert needs["rows"] == [["billing v1", "payments", "any", holds]]
    assert "users-backend at 10.0.9.9:15020 is silent" in services["note"]


def test_refusals_are_summed_over_replicas_the_most_frequent_first() -> None:
    def refused(instance: str, reason: str, count: float, enforced: str = "true") -> Sample:
        labels = {"reason": reason, "generation": "none", "enforced": enforced}
        return Sample(REFUSALS, {"job": "a", "instance": instance, **labels}, count)

    samples = (
        refused("a", "missing", 2),
        refused("b", "missing", 3),
        refused("a", "expired", 7, "false"),
        refused("a", "revoked", 0),
    )
    counts = count_refusals(Current(NOW, samples, ()))
    shown = state(picture(USERS, refusals=counts))["refusals"]
    assert [(each["reason"], each["count"], each["enforced"]) for each in shown] == [
        ("expired", 7, False),
        ("missing", 5, True),
    ]


def test_what_is_lost_is_said_and_the_rest_stays() -> None:
    document = state(picture(*SYSTEM), lost="No answer since 10:00: it is gone.")
    assert document["lost"] == "No answer since 10:00: it is gone."
    assert len(document["services"]["nodes"]) == 3
    assert document["note"].endswith("Nothing is proved.")
    assert document["changes"][0]["what"] == "Something happened."
    assert document["history"] == [{"at": NOW, "new": 1.25, "old": 0.5}]
