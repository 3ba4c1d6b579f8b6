"""``sidecar fleet`` and ``sidecar deps order``, over a source that says what the test wants."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import fleet as module
from sidecar.cli.main import run_command_line
from sidecar.errors import FleetError
from sidecar.fleet.source import Current, SilentTarget
from tests.fleet.deployed import (
    SYSTEM,
    THOUGHTS,
    USERS,
    Deployed,
    at,
    current,
    gone,
    never,
)

PROMETHEUS = ("--prometheus", "http://prometheus:9090")
Runs = Callable[..., None]


class Brought:
    """A source."""

    name = "a fleet of the test"

    def __init__(self) -> None:
        self.says: Current | FleetError = current()
        self.is_closed = False

    async def current(self, names: Collection[str]) -> Current:
        assert "sidecar_service_info" in names
        if isinstance(self.says, FleetError):
            raise self.says
        return self.says

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Brought:
    brought = Brought()
    monkeypatch.setattr(module, "build_source", lambda _: brought)
    return brought


@pytest.fixture
def runs(source: Brought) -> Runs:
    def run(*deployed: Deployed, silent: Collection[SilentTarget] = ()) -> None:
        source.says = current(*deployed, silent=tuple(silent))

    return run


def run(*words: str) -> int:
    return run_command_line([*words, *PROMETHEUS])


def test_status_shows_what_runs_and_what_it_needs(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    assert run("fleet", "status") == 0
    assert capsys.readouterr().out.splitlines() == [
        "SERVICE           VERSION  REPLICAS  COMMIT        VERIFIED",
        "frontend          v4.1     1         2257f9c0a1b2  -",
        "thoughts-backend  v1.6     2         2257f9c0a1b2  -",
        "users-backend     v2.3     3         2257f9c0a1b2  -",
        "",
        "SERVICE           VERSION  NEEDS                               REQUIRES  SATISFIED",
        "frontend          v4.1     thoughts-backend (called thoughts)  >=v1.6    ✓ yes",
        "frontend          v4.1     users-backend (called users)        >=v2.0    ✓ yes",
        "thoughts-backend  v1.6     users-backend (called users)        >=v2.3    ✓ yes",
        "",
        "Every service has what it needs.",
    ]


def test_status_says_by_its_exit_code_what_is_missing(
    runs: Runs, source: Brought, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(USERS, at(USERS, "v2.2"), THOUGHTS)
    assert run("fleet", "status") == 1
    shown = capsys.readouterr().out
    assert "✗ v2.2 is older than v2.3 (1 of 4)" in shown
    assert "users-backend is in the middle of a rollout: v2.3 on 3, v2.2 on 1." in shown
    assert shown.endswith("1 need is not satisfied.\n")
    runs(*SYSTEM, silent=[gone("frontend")])
    assert run("fleet", "status") == 3
    shown = capsys.readouterr().out
    assert "frontend at 10.0.9.9:15020 is silent since" in shown
    assert "1 silent" in shown
    assert source.is_closed


def test_status_as_json(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs(*SYSTEM)
    assert run("fleet", "status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["satisfied"] is True
    assert len(document["services"]) == 3


def test_a_source_that_cannot_be_asked_is_3(
    source: Brought, capsys: pytest.CaptureFixture[str]
) -> None:
    source.says = FleetError("Prometheus at http://prometheus:9090 did not answer.")
    for words in (["status"], ["graph"], ["rollback", "a", "v1"], ["deploy", "a", "v1"]):
        assert run("fleet", *words) == 3
        said = capsys.readouterr()
        assert said.err == "sidecar: Prometheus at http://prometheus:9090 did not answer.\n"
    assert source.is_closed


def test_a_rollback_that_is_refused_says_why_and_what_has_to_go_first(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    assert run("fleet", "rollback", "users-backend", "v2.2") == 1
    assert capsys.readouterr().out.splitlines() == [
        "users-backend may not go back to v2.2: 1 service would be left unsatisfied.",
        "",
        "NEEDED BY         VERSION  REPLICAS  REQUIRES  SATISFIED",
        "frontend          v4.1     1         >=v2.0    ✓ v2.2 meets >=v2.0",
        "thoughts-backend  v1.6     2         >=v2.3    ✗ v2.2 is older than v2.3",
        "",
        "What users-backend v2.2 needs itself is not known here.",
        "",
        "First:",
        "  1. roll back frontend: its v4.1 needs thoughts-backend >=v1.6",
        "  2. roll back thoughts-backend: its v1.6 needs users-backend >=v2.3",
    ]


def test_what_the_old_version_needs_can_be_said(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    words = ("fleet", "rollback", "thoughts-backend", "v1.6", "--needs")
    assert run(*words, "users<v2") == 1
    assert "  1. deploy users-backend: v2.3 is not below v2" in capsys.readouterr().out
    assert run(*words, "users<v3") == 0


def test_a_rollback_is_0_1_or_3(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs(*SYSTEM)
    assert run("fleet", "rollback", "thoughts-backend", "v1.6") == 0
    assert capsys.readouterr().out.startswith("thoughts-backend may go back to v1.6.\n")
    runs(USERS, silent=[gone("thoughts-backend")])
    assert run("fleet", "rollback", "users-backend", "v2.2") == 3
    shown = capsys.readouterr().out
    assert shown.startswith("Nobody knows whether users-backend may go back to v2.2.\n")
    assert "(connection refused). It may need users-backend." in shown


def test_a_service_that_does_not_exist_is_2_and_those_that_do_are_named(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    for words in (
        ("fleet", "rollback", "user-backend", "v2.2"),
        ("fleet", "deploy", "user-backend", "v2.2"),
        ("fleet", "deploy", "thoughts-backend", "v1.7", "--needs", "user-backend>=v1"),
        ("deps", "order", "user-backend"),
    ):
        assert run(*words) == 2
        assert "frontend, thoughts-backend, users-backend" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["", " ", "BAD VERSION", "unknown", "v1\x1b[2J"])
@pytest.mark.parametrize("verb", ["rollback", "deploy"])
def test_a_version_that_says_none_is_2_and_never_a_yes(
    runs: Runs, capsys: pytest.CaptureFixture[str], verb: str, version: str
) -> None:
    """What an unset variable of a pipeline leaves."""
    runs(*SYSTEM)
    assert run("fleet", verb, "frontend", version) == 2
    assert "VERSION says no version" in capsys.readouterr().err


def test_a_deployment_whose_needs_do_not_run_yet_says_what_has_to_go_first(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(at(USERS, "v2.2", 3), Deployed("thoughts-backend", "v1.5"))
    assert run("fleet", "deploy", "thoughts-backend", "v1.6", "--needs", "users-backend>=v2.3") == 1
    assert capsys.readouterr().out.splitlines() == [
        "thoughts-backend may not be deployed as v1.6: 1 need is not satisfied.",
        "",
        "NEEDS          REQUIRES  SATISFIED",
        "users-backend  >=v2.3    ✗ v2.2 is older than v2.3",
        "",
        "First:",
        "  1. deploy users-backend: v2.2 is older than v2.3",
    ]


def test_a_deployment_whose_needs_run_is_0(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs(*SYSTEM)
    assert run("fleet", "deploy", "thoughts-backend", "v1.7", "--needs", "users >= v2.3, <v3") == 0
    assert capsys.readouterr().out.splitlines()[0] == "thoughts-backend may be deployed as v1.7."
    assert run("fleet", "deploy", "thoughts-backend", "v1.7") == 0
    assert (
        "thoughts-backend v1.7 is taken to need what v1.6 needs, which runs now."
        in capsys.readouterr().out
    )


def test_a_first_deployment_says_so_and_what_it_needs(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    words = ("fleet", "deploy", "search", "v1", "--needs", "users-backend>=v2.3")
    assert run(*words) == 2
    assert "--new is for its first deployment" in capsys.readouterr().err
    assert run(*words, "--new") == 0
    assert run(*words[:4], "--new") == 3
    assert "--needs, or --config with its own file" in capsys.readouterr().out
    file = tmp_path / "sidecar.yaml"
    file.write_text("service: search\n")
    assert run(*words[:4], "--new", "--config", str(file)) == 0


def test_what_the_new_version_needs_is_read_from_its_own_file(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM)
    file = tmp_path / "sidecar.yaml"
    file.write_text(
        "service: thoughts-backend\n"
        "dependencies: {users: {url: 'http://users-backend/version', min: v2.4}}\n"
    )
    words = ("fleet", "deploy", "thoughts-backend", "v1.7", "--config", str(file))
    assert run(*words, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["allowed"] is False
    assert document["needs"][0]["needs"] == "users-backend"
    assert document["first"] == [
        {"service": "users-backend", "move": "forward", "why": "v2.3 is older than v2.4"}
    ]
    assert run(*words, "--needs", "users>=v1") == 2


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ("users-backend>v2", "is not a requirement"),
        (">=v2", "names no service"),
        ("users-backend>=v3,<v2", "no version can be"),
        ("users-backend>=latest", "names no number"),
    ],
)
def test_a_need_that_makes_no_sense_is_2(
    runs: Runs, capsys: pytest.CaptureFixture[str], needs: str, why: str
) -> None:
    runs(*SYSTEM)
    assert run("fleet", "deploy", "thoughts-backend", "v1.7", "--needs", needs) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "begin"), [("text", "frontend"), ("dot", "digraph"), ("mermaid", "flowchart")]
)
def test_the_graph(runs: Runs, capsys: pytest.CaptureFixture[str], form: str, begin: str) -> None:
    runs(*SYSTEM)
    assert run("fleet", "graph", "--format", form) == 0
    assert capsys.readouterr().out.startswith(begin)


# --- the order of a change -----------------------------------------------------------------------


def test_the_order_of_a_fleet(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs(*SYSTEM)
    assert run("deps", "order") == 0
    assert capsys.readouterr().out.splitlines() == [
        "STEP  SERVICE           AFTER",
        "1     users-backend",
        "2     thoughts-backend  users-backend",
        "3     frontend          thoughts-backend, users-backend",
    ]
    assert run("deps", "order", "frontend", "users-backend", "--json") == 0
    assert json.loads(capsys.readouterr().out)["order"] == ["users-backend", "frontend"]


def test_who_does_not_answer_leaves_the_order_unknown(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(*SYSTEM, silent=[gone("billing")])
    assert run("deps", "order") == 3
    assert "billing at 10.0.9.9:15020 is silent" in capsys.readouterr().out
    runs(USERS, Deployed("a", "v1", {"login": never(">=v1")}))
    assert run("deps", "order") == 3
    assert "Nobody knows which service a calls login." in capsys.readouterr().out


def write(directory: Path, service: str, needs: dict[str, dict[str, Any]]) -> str:
    file = directory / f"{service or 'nameless'}.yaml"
    file.write_text(
        json.dumps({**({"service": service} if service else {}), "dependencies": needs})
    )
    return str(file)


def order(*files: str) -> int:
    return run_command_line(
        ["deps", "order", *(word for file in files for word in ("--config", file))]
    )


def test_the_order_of_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The environment of the pipeline is not that of the services.
    monkeypatch.setenv("SIDECAR_SERVICE", "pipeline")
    users = {"login": {"url": "http://users-backend.shop.svc/version", "min": "v2.3"}}
    files = [
        write(tmp_path, "frontend", {"thoughts": {"url": "http://thoughts:80/version"}}),
        write(tmp_path, "thoughts", users),
        write(tmp_path, "users-backend", {}),
    ]
    assert order(*files) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "users-backend",
        "thoughts",
        "frontend",
    ]


def test_a_need_that_no_file_is_of_leaves_the_order_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the name nor the host says that users-backend is meant."""
    needs = {"login": {"url": "http://users-service/admin/version/", "min": "v2.3"}}
    files = [write(tmp_path, "thoughts", needs), write(tmp_path, "users-backend", {})]
    assert order(*files) == 3
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("thoughts needs login, and no file is of a service with that name")
    assert order(*files, write(tmp_path, "login", {})) == 0


def test_services_that_need_each_other_are_named_as_a_deadlock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        write(tmp_path, "a", {"b": {"url": "http://b/version", "min": "v2"}}),
        write(tmp_path, "b", {"a": {"url": "http://a/version", "min": "v7"}}),
        write(tmp_path, "top", {"a": {"url": "http://a/version"}}),
    ]
    assert order(*files) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Deadlock: a needs b >=v2, b needs a >=v7. None of them can go first: let one work with"
        " what runs now before it needs what comes.",
        "Behind a deadlock: top.",
    ]


def test_whom_to_believe_about_the_order_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert order() == 2
    assert "say who knows: --config FILE" in capsys.readouterr().err
    file = write(tmp_path, "a", {})
    assert run("deps", "order", "--config", file) == 2
    assert "give --config or --prometheus, not both" in capsys.readouterr().err
    monkeypatch.setenv("SIDECAR_PROMETHEUS", PROMETHEUS[1])
    assert order(file) == 0


def test_files_that_do_not_say_which_service_or_say_it_twice_are_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = write(tmp_path, "", {})
    assert order(nameless) == 2
    assert "does not say which service it is of" in capsys.readouterr().err
    file = write(tmp_path, "a", {})
    assert order(file, file) == 2
    assert "give one" in capsys.readouterr().err
