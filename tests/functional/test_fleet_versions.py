"""What a fleet of real sidecars runs, and what that allows, asked of them and of a real Prometheus.

The reference system, with a real dependency check from each service to each that it needs.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import find_tool
from tests.functional.application import Application
from tests.functional.conftest import Launch
from tests.functional.mesh import COMMIT, Mesh
from tests.functional.prometheus import Prometheus
from tests.functional.sidecar_process import SidecarProcess, free_port, run_command, wait_until

pytestmark = pytest.mark.timeout(180)

#: The machine may be busy with other things.
LONG_S = 60.0


@pytest.fixture
def mesh(launch: Launch, application: Application) -> Mesh:
    return Mesh(launch, application)


@pytest.fixture
def system(mesh: Mesh) -> dict[str, SidecarProcess]:
    """All three, ready."""
    return {name: mesh.start(name, waits=True) for name in ("users", "thoughts", "frontend")}


class Asked:
    """``sidecar fleet`` and ``sidecar deps``, asking one place."""

    def __init__(self, *place: str) -> None:
        self._place = place

    def code(self, *words: str) -> int:
        return run_command(*words, *self._place).returncode

    def text(self, *words: str) -> str:
        done = run_command(*words, *self._place)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def document(self, *words: str) -> Any:
        return json.loads(run_command(*words, "--json", *self._place).stdout)

    def wait_for(self, code: int, *words: str) -> None:
        """Wait until what is asked has this exit code: what runs is seen after a moment."""
        wait_until(lambda: self.code(*words) == code, f"{words} answers {code}", patience_s=LONG_S)


def targets(sidecars: Sequence[SidecarProcess]) -> Asked:
    return Asked(*(word for each in sidecars for word in ("--target", each.admin_url)))


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    program = find_tool("prometheus")
    assert program is not None
    started = Prometheus(program, tmp_path)
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()


Watch = Callable[[Sequence[SidecarProcess]], Asked]


@pytest.fixture(
    params=["targets", pytest.param("prometheus", marks=pytest.mark.needs_tool("prometheus"))]
)
def watch(request: pytest.FixtureRequest) -> Watch:
    """From now on these are the fleet; who is to be asked about it."""
    if request.param == "targets":
        return targets
    started: Prometheus = request.getfixturevalue("prometheus")

    def scrape(sidecars: Sequence[SidecarProcess]) -> Asked:
        started.watch(sidecars, {"namespace": "shop", "service": "metrics"})
        started.wait_for(
            f"count(sidecar_service_info) == {len(sidecars)} and count(up == 1) == {len(sidecars)}",
            patience_s=LONG_S,
        )
        return Asked("--prometheus", started.url)

    return scrape


def versions(document: Any) -> dict[str, dict[str, int]]:
    return {
        service["name"]: {each["version"]: each["replicas"] for each in service["versions"]}
        for service in document["services"]
    }


def unmet(document: Any) -> dict[str, str]:
    """Who needs something that is not there, and why it is not."""
    return {
        each["service"]: each["why"] for each in document["needs"] if each["satisfied"] is False
    }


def test_a_whole_system_says_what_runs_and_that_nothing_is_missing(
    system: dict[str, SidecarProcess], watch: Watch
) -> None:
    asked = watch(list(system.values()))
    asked.wait_for(0, "fleet", "status")
    document = asked.document("fleet", "status")
    assert versions(document) == {
        "frontend": {"v4.1": 1},
        "thoughts": {"v1.6": 1},
        "users": {"v2.3": 1},
    }
    assert {(each["service"], each["needs"], each["requires"]) for each in document["needs"]} == {
        ("frontend", "thoughts", ">=v1.6"),
        ("frontend", "users", ">=v2.3"),
        ("thoughts", "users", ">=v2.3,<v3"),
    }
    assert all(each["satisfied"] for each in document["needs"])
    assert document["services"][0]["versions"][0]["commits"] == [COMMIT]
    assert "frontend v4.1 (1)\n  -> thoughts >=v1.6  ✓ satisfied" in asked.text("fleet", "graph")
    order = asked.document("deps", "order")["order"]
    assert order == ["users", "thoughts", "frontend"]


def test_a_rollback_that_somebody_needs_against_is_refused_and_they_are_named(
    system: dict[str, SidecarProcess], watch: Watch
) -> None:
    asked = watch(list(system.values()))
    asked.wait_for(1, "fleet", "rollback", "users", "v2.2")
    document = asked.document("fleet", "rollback", "users", "v2.2")
    assert {each["service"]: each["why"] for each in document["users"]} == {
        "frontend": "v2.2 is older than v2.3",
        "thoughts": "v2.2 is older than v2.3",
    }
    assert [each["service"] for each in document["first"]] == ["frontend", "thoughts"]
    assert asked.code("fleet", "rollback", "frontend", "v4.0") == 0
    assert asked.code("fleet", "rollback", "user", "v2.2") == 2
    assert asked.code("fleet", "deploy", "users", "v3.0") == 1
    assert asked.code("fleet", "deploy", "users", "v2.9") == 0
    needs = ("--needs", "users>=v2.4")
    assert asked.code("fleet", "deploy", "thoughts", "v1.7", *needs) == 1
    assert "1. deploy users: v2.3 is older than v2.4" in asked.text(
        "fleet", "deploy", "thoughts", "v1.7", *needs
    )


def test_a_rollout_is_seen_in_its_middle_and_holds_up_whoever_needs_its_end(
    mesh: Mesh, system: dict[str, SidecarProcess], watch: Watch
) -> None:
    behind = mesh.start("users", "v2.2", waits=True, port=free_port())
    asked = watch([*system.values(), behind])
    asked.wait_for(1, "fleet", "status")
    assert versions(asked.document("fleet", "status"))["users"] == {"v2.3": 1, "v2.2": 1}
    text = asked.text("fleet", "status")
    assert "users is in the middle of a rollout: v2.3 on 1, v2.2 on 1." in text
    assert "v2.2 is older than v2.3 (1 of 2)" in text
    assert asked.code("fleet", "deploy", "thoughts", "v1.7", "--needs", "users>=v2.3") == 1
    behind.stop()
    asked = watch(list(system.values()))
    asked.wait_for(0, "fleet", "deploy", "thoughts", "v1.7", "--needs", "users>=v2.3")


def test_a_dependency_that_is_downgraded_while_running_is_seen(
    mesh: Mesh, system: dict[str, SidecarProcess], watch: Watch
) -> None:
    asked = watch(list(system.values()))
    asked.wait_for(0, "fleet", "status")
    system.pop("users").stop()
    system["older"] = mesh.start("users", "v2.2", waits=True)
    asked = watch(list(system.values()))
    # Who needs it notices at its next check, and is asked again after that: one before the other.
    wait_until(
        lambda: (
            unmet(asked.document("fleet", "status"))
            == {"frontend": "v2.2 is older than v2.3", "thoughts": "v2.2 is older than v2.3"}
        ),
        "both are seen to miss it",
        patience_s=LONG_S,
    )
    assert asked.code("fleet", "status") == 1


def test_a_replica_that_does_not_answer_makes_no_yes(
    system: dict[str, SidecarProcess], watch: Watch
) -> None:
    asked = watch(list(system.values()))
    asked.wait_for(0, "fleet", "rollback", "frontend", "v4.0")
    system["thoughts"].kill()
    asked.wait_for(3, "fleet", "rollback", "frontend", "v4.0")
    asked.wait_for(1, "fleet", "rollback", "users", "v2.2")  # the frontend answers, and says no
    asked.wait_for(3, "deps", "order")
    text = asked.text("fleet", "rollback", "frontend", "v4.0")
    assert text.startswith("Nobody knows whether frontend may go back to v4.0.\n")
    assert "It may need frontend." in text


def test_a_dependency_is_who_it_says_it_is_whatever_its_user_calls_it(
    mesh: Mesh, launch: Launch, application: Application
) -> None:
    users = mesh.start("users", waits=True)
    login = {"url": mesh.url("users"), "min": "v2.3", "interval": "200ms"}
    billing = launch(
        {"service": "billing", "auth": {"mode": "off"}, "dependencies": {"login": login}},
        application=application,
        environment={"VERSION_NAME": "v1.0", "VERSION_SHA": COMMIT},
    )
    asked = targets([users, billing])
    document = asked.document("fleet", "rollback", "users", "v2.2")
    assert [each["service"] for each in document["users"]] == ["billing"]
    assert "users (called login)" in asked.text("fleet", "status")


def test_nobody_to_ask_is_3_and_nothing_is_guessed() -> None:
    asked = Asked("--target", f"http://127.0.0.1:{free_port()}")
    assert asked.code("fleet", "status") == 3
    assert asked.text("fleet", "status").startswith("sidecar: No sidecar answered")
    assert asked.code("deps", "order") == 3
