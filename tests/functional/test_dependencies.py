"""Services that need each other, each behind a real sidecar."""

import time
from collections.abc import Callable

import pytest

from tests.functional.application import Application, Request, Talk
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.mesh import COMMIT, NEEDS, Mesh, dependency
from tests.functional.sidecar_process import (
    SidecarProcess,
    free_port,
    run_command,
    wait_until,
)


@pytest.fixture
def mesh(launch: Launch, application: Application) -> Mesh:
    return Mesh(launch, application)


@pytest.mark.parametrize(
    "order",
    [
        ("users", "thoughts", "frontend"),
        ("frontend", "thoughts", "users"),
        ("thoughts", "frontend", "users"),
    ],
    ids="-".join,
)
def test_services_started_in_any_order_become_ready_in_the_right_one(
    mesh: Mesh, order: tuple[str, ...]
) -> None:
    started: dict[str, SidecarProcess] = {}

    def are_ready() -> bool:
        """Look from the last to be ready to the first: what a ready one needs is ready already."""
        ready: dict[str, bool] = {
            name: started[name].ready_status() == 200
            for name in ("frontend", "thoughts", "users")
            if name in started
        }
        for name in (name for name, is_ready in ready.items() if is_ready):
            assert all(ready.get(needed) for needed in NEEDS[name]), (name, ready)
        return len(ready) == 3 and all(ready.values())

    for name in order:
        started[name] = mesh.start(name, lives=True)
        are_ready()
    wait_until(are_ready, "all are ready")
    document = started["frontend"].admin("/dependencies").json()
    assert document["satisfied"] is True
    assert {each["name"]: each["version"] for each in document["dependencies"]} == {
        "users": "v2.3",
        "thoughts": "v1.6",
    }


def test_a_service_whose_dependency_is_too_old_waits_for_the_deployment(mesh: Mesh) -> None:
    users = mesh.start("users", "v2.2", waits=True)
    thoughts = mesh.start("thoughts")
    wait_until(lambda: thoughts.ready_status() == 503, "thoughts waits")
    wait_until(lambda: dependency(thoughts, "users")["state"] == "unsatisfied", "it was asked")
    reasons = thoughts.admin("/ready").json()["reasons"]
    assert "v2.2 is older than v2.3" in reasons["dependencies.users"]
    assert mesh.version("thoughts") == {
        "service": "thoughts",
        "version": "v1.6",
        "commit": COMMIT,
        "sidecar": thoughts.admin("/version").json()["sidecar"],
        "ready": False,
    }
    users.stop()
    mesh.start("users", "v2.3", waits=True)
    thoughts.wait_until_ready()
    assert "ready" not in thoughts.admin("/version").json()


@pytest.mark.parametrize("gate", ["startup", "always"])
def test_a_downgrade_while_running_is_seen_said_once_and_counted(mesh: Mesh, gate: str) -> None:
    users = mesh.start("users", waits=True)
    thoughts = mesh.start("thoughts", waits=True, gate=gate)
    assert thoughts.metrics().value("sidecar_dependency_satisfied", dependency="users") == 1
    users.stop()
    mesh.start("users", "v2.2", waits=True)
    wait_until(lambda: dependency(thoughts, "users")["state"] == "unsatisfied", "it is seen")
    metrics = thoughts.metrics()
    assert metrics.value("sidecar_dependency_up", dependency="users") == 1
    assert metrics.value("sidecar_dependency_satisfied", dependency="users") == 0
    info = {"requires": ">=v2.3,<v3", "version": "v2.2", "commit": COMMIT}
    assert metrics.value("sidecar_dependency_info", dependency="users", **info) == 1
    wait_until(lambda: asked(thoughts, "unsatisfied") >= 3, "it is asked again and again")
    assert thoughts.ready_status() == (200 if gate == "startup" else 503)
    said = [line for line in thoughts.log if line.get("state") == "unsatisfied"]
    assert [line["message"] for line in said] == [
        "The dependency users is not as it is needed: v2.2 is older than v2.3."
    ]


def asked(sidecar: SidecarProcess, result: str) -> float:
    return sidecar.metrics().value(
        "sidecar_dependency_checks_total", dependency="users", result=result
    )


def hang(talk: Talk, request: Request) -> None:
    """Take the request and never answer."""
    talk.next_head()


def flood(talk: Talk, request: Request) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b" " * 10_000_000)


def test_a_dependency_that_hangs_delays_neither_the_others_nor_the_traffic(
    mesh: Mesh, launch: Launch, application: Application
) -> None:
    mesh.start("users", waits=True)
    stuck = Application()
    stuck.answer = hang
    entry = {"interval": "200ms", "timeout": "60s"}
    try:
        sidecar = launch(
            {
                "auth": {"mode": "off"},
                "dependencies": {
                    "stuck": {"url": f"{stuck.url}/version", "gate": "never", **entry},
                    "users": {"url": mesh.url("users"), "requires": ">=v2.3", **entry},
                },
            },
            application=application,
        )
        wait_until(lambda: asked(sidecar, "satisfied") >= 5, "users is asked every 200 ms")
        assert dependency(sidecar, "stuck")["state"] == "pending"
        begin = time.monotonic()
        assert sidecar.ask(request("/")).status == 200
        assert time.monotonic() - begin < 5
        sidecar.stop()  # nor the end
    finally:
        stuck.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (flood, "answered with more than 1024 KiB"),
        (hang, "did not answer in full within 0.5 s"),
    ],
)
def test_a_dependency_that_misbehaves_keeps_the_service_waiting_with_a_reason(
    launch: Launch, application: Application, answer: Callable[[Talk, Request], None], why: str
) -> None:
    bad = Application()
    bad.answer = answer
    entry = {"url": f"{bad.url}/version", "min": "v2.3", "interval": "200ms", "timeout": "500ms"}
    try:
        sidecar = launch(
            {"auth": {"mode": "off"}, "dependencies": {"users": entry}},
            application=application,
            waits=False,
        )
        sidecar.wait_for_log(why)
        wait_until(lambda: sidecar.ready_status() == 503, "it is not ready")
        assert why in sidecar.admin("/ready").json()["reasons"]["dependencies.users"]
        assert dependency(sidecar, "users")["last_error"] == why
    finally:
        bad.close()


def test_a_requirement_that_can_never_hold_is_refused_at_start(launch: Launch) -> None:
    entry = {"url": "http://users/version", "requires": ">=v3,<v2"}
    sidecar = launch({"auth": {"mode": "off"}, "dependencies": {"users": entry}}, waits=False)
    assert sidecar.wait() == 2
    assert "no version can be >=v3,<v2" in sidecar.stderr


def test_deps_check_asks_the_same_and_says_it_by_its_exit_code(mesh: Mesh) -> None:
    mesh.start("users", waits=True)

    def check(requirement: str, *more: str) -> int:
        text = f"users={mesh.url('users')} {requirement}"
        return run_command(
            "deps", "check", *more, environment={"SIDECAR_DEPENDENCIES": text}
        ).returncode

    assert check(">=v2.3") == 0
    assert check(">=v2.4", "--wait", "200ms", "--json") == 1
    mesh.ports["users"] = free_port()
    assert check(">=v2.3") == 3
