"""``sidecar deps check``, against real services."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sidecar.cli.main import run_command_line
from tests.cli.listener import Listener


class Services:
    """One server; ``/NAME`` answers the version of that name, and 503 for one that has none."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.asked = 0
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                services.asked += 1
                version = services.versions.get(self.path)
                body = json.dumps({"version": version, "commit": "c0"}).encode()
                self.send_response(200 if version else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = Listener(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def dependencies(self, requirement: str = ">=v2.3") -> str:
        return "; ".join(f"{path[1:]}={self.url}{path} {requirement}" for path in self.versions)


@pytest.fixture
def services() -> Iterator[Services]:
    started = Services()
    yield started
    started.server.shutdown()
    started.server.server_close()


def check(services: Services, *more: str, requirement: str = ">=v2.3") -> int:
    text = services.dependencies(requirement)
    return run_command_line(["deps", "check", "--dependencies", text, *more])


def test_all_satisfied_is_0(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    services.versions = {"/users": "v2.3", "/thoughts": "v2.10"}
    assert check(services) == 0
    said = capsys.readouterr()
    header, *rows = said.out.splitlines()
    assert header.split() == ["DEPENDENCY", "STATE", "REQUIRES", "VERSION", "WHY"]
    assert [row.split()[:4] for row in rows] == [
        ["users", "satisfied", ">=v2.3", "v2.3"],
        ["thoughts", "satisfied", ">=v2.3", "v2.10"],
    ]
    assert said.err == ""


def test_one_that_will_not_do_is_1_even_beside_one_that_is_silent(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.versions = {"/users": "v2.2", "/silent": ""}
    assert check(services) == 1
    assert "v2.2 is older than v2.3" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["", "latest", "unknown"])
def test_one_that_cannot_be_judged_is_3(services: Services, version: str) -> None:
    services.versions = {"/users": version, "/good": "v2.3"}
    assert check(services) == 3


def test_no_dependency_at_all_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["deps", "check"]) == 0
    assert capsys.readouterr().out == "no dependency is configured\n"


def test_json_says_what_the_table_says(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.versions = {"/users": "v2.2"}
    assert check(services, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "satisfied": False,
        "dependencies": [
            {
                "name": "users",
                "url": f"{services.url}/users",
                "requires": ">=v2.3",
                "state": "unsatisfied",
                "satisfied": False,
                "version": "v2.2",
                "commit": "c0",
                "why": "v2.2 is older than v2.3",
            }
        ],
    }


def test_with_wait_it_asks_until_all_will_do_and_tells_what_changes(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.versions = {"/users": "v2.2"}
    deploy = threading.Timer(0.5, lambda: services.versions.update({"/users": "v2.3"}))
    deploy.start()
    assert check(services, "--wait", "30s") == 0
    deploy.join()
    said = capsys.readouterr()
    first, last = said.err.splitlines()
    assert first.startswith("sidecar: users is unsatisfied: v2.2 is older than v2.3 (waiting ")
    assert last == "sidecar: users is satisfied: v2.3 meets >=v2.3"
    assert "satisfied" in said.out


def test_with_wait_it_gives_up_when_the_time_is_over(services: Services) -> None:
    services.versions = {"/users": "v2.2"}
    assert check(services, "--wait", "300ms") == 1
    assert services.asked >= 2


def test_the_configuration_of_the_sidecar_will_do(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(
        "auth: {mode: enforce, keyring: [/keys/that/are/not/here]}\n"
        f"dependencies: {{users: {{url: '{services.url}/users', min: v2.3, below: v3}}}}\n"
    )
    services.versions = {"/users": "v3-rc1"}
    assert run_command_line(["deps", "check", "--config", str(file)]) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--dependencies", "users=http://a/ >=v3,<v2"], "no version can be >=v3,<v2"),
        (["--dependencies", "users=http://a/ v2"], "'v2' is not a requirement"),
        (["--dependencies", "users"], "dependencies.users.url: '' is not a URL"),
        (["--wait", "soon"], "'soon' is not a duration"),
    ],
)
def test_wrong_usage_is_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["deps", "check", *arguments]) == 2
    assert problem in capsys.readouterr().err
