"""``sidecar rotate`` asks real sidecars themselves: at their admin ports, or behind one name."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import run_in_terminal
from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH, Issuer, log_in
from tests.functional.sidecar_process import COMMAND, SidecarProcess, free_port, run_command

OLD, NEW = "2026-08", "2026-11"


@pytest.fixture
def ring(keyring: Path, signer: Signer, older_signer: Signer) -> Path:
    signer.publish(keyring)
    older_signer.publish(keyring)
    return keyring


def url(sidecar: SidecarProcess) -> str:
    return "http://{}:{}".format(*sidecar.admin_address)


def status(*arguments: str) -> Any:
    asked = run_command("rotate", "status", "--json", *arguments)
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout)


def test_who_answers_is_shown_and_what_that_cannot_prove_is_said(
    launch: Launch, ring: Path, application: Application, older_signer: Signer
) -> None:
    issuer = Issuer(application, older_signer)
    auth = {**AUTH, "max_lifetime": "1h"}
    users = launch(
        {"service": "users-backend", "auth": auth, "shutdown": AT_ONCE},
        application=application,
        keyring=ring,
    )
    thoughts = launch({"service": "thoughts-backend"}, application=application, keyring=ring)
    log_in(users)
    thoughts.ask(request("/", f"Authorization: Bearer {issuer.handed_out[-1]}"))

    report = status("--target", url(users), "--target", url(thoughts))
    assert {row["service"]: row["hands_out_tokens"] for row in report["services"]} == {
        "thoughts-backend": False,
        "users-backend": True,
    }
    old, new = report["keys"]
    assert (old["id"], old["state"], old["issued_total"], old["accepted_total"]) == (
        OLD,
        "in_use",
        1,
        1,
    )
    assert (new["id"], new["state"]) == (NEW, "staged")
    assert [step["progress"] for step in report["steps"][:2]] == ["done", "done"]
    assert "Only replicas that are there now were asked" in report["limits"][0]

    gate = ("--target", url(users), "--target", url(thoughts))
    assert run_command("rotate", "gate", "distribute", "--key", NEW, *gate).returncode == 0
    assert run_command("rotate", "gate", "switch", "--key", NEW, *gate).returncode == 1
    assert run_command("rotate", "gate", "retire", "--key", OLD, *gate).returncode == 1
    unknown = run_command("rotate", "gate", "retire", "--key", "2019-01", *gate)
    assert unknown.returncode == 2
    assert f"{OLD}, {NEW}" in unknown.stderr


def test_a_target_that_does_not_answer_leaves_the_gates_undecided(
    launch: Launch, ring: Path, application: Application
) -> None:
    there = launch({}, application=application, keyring=ring)
    nobody = f"127.0.0.1:{free_port()}"
    targets = ("--target", url(there), "--target", f"http://{nobody}")

    decided = run_command("rotate", "gate", "distribute", "--key", NEW, *targets, "--json")
    assert decided.returncode == 3
    assert json.loads(decided.stdout)["missing"] == [
        {"where": nobody, "what": "has not answered yet"}
    ]
    shown = run_command("rotate", "status", *targets)
    assert shown.returncode == 0
    assert f"{nobody} was never scraped" in shown.stdout


def test_every_address_of_a_name_is_asked(
    launch: Launch, ring: Path, application: Application
) -> None:
    there = launch({}, application=application, keyring=ring)
    report = status("--dns", f"localhost:{there.admin_address[1]}")
    answering = [replica for replica in report["replicas"] if replica["state"] == "answering"]
    assert [replica["name"] for replica in answering] == [f"127.0.0.1:{there.admin_address[1]}"]


def test_without_proof_yes_has_to_be_asked_for_and_says_what_is_risked(
    launch: Launch, ring: Path, application: Application
) -> None:
    there = launch({}, application=application, keyring=ring)
    gate = ("rotate", "gate", "retire", "--key", OLD, "--target", url(there))
    assert run_command(*gate).returncode == 1
    accepted = run_command(*gate, "--accept-unproven")
    assert accepted.returncode == 0
    assert "whoever still has a token of this key will be refused" in accepted.stdout


def test_watching_goes_on_until_interrupted_and_survives_silence(
    launch: Launch, ring: Path, application: Application
) -> None:
    there = launch({}, application=application, keyring=ring)
    # Whoever runs the tests in the background has the signal ignored, and a child honours that.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    watching = subprocess.Popen(
        [*COMMAND, "rotate", "status", "--watch", "--json", "--target", url(there)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    try:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert json.loads(watching.stdout.readline())["new_key"] == NEW
        there.stop()
        assert "No sidecar answered" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
    finally:
        watching.kill()
        watching.communicate()


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_there_is_colour_on_a_terminal_unless_nobody_wants_it(
    launch: Launch, ring: Path, application: Application, environment: dict[str, str]
) -> None:
    there = launch({}, application=application, keyring=ring)
    command = [*COMMAND, "rotate", "status", "--target", url(there)]
    shown = run_in_terminal(
        command, columns=80, environment={"TERM": "xterm", "NO_COLOR": "", **environment}
    )
    assert "Every service can hold several keys" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*m", shown)) is not bool(environment)
