"""What the chart runs in and beside a pod, against the real process: its hooks, and `helm test`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import ROOT, SidecarProcess, run_command, wait_until

SCRIPT = ROOT / "deploy/helm/sidecar/files/test.py"


@pytest.fixture
def ready(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> SidecarProcess:
    signer.publish(keyring)
    return launch({}, application=application, keyring=keyring)


def address(sidecar: SidecarProcess) -> str:
    return "{}:{}".format(*sidecar.admin_address)


def test_at_a_pods_end_it_is_not_ready_and_serves_on(ready: SidecarProcess, signer: Signer) -> None:
    done = run_command("drain", "--admin", address(ready))
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: ready.ready_status() == 503, "it is not ready")
    token = f"Authorization: Bearer {signer.token()}"
    for _ in range(3):
        assert ready.ask(request("/a", token)).status == 200
    assert not ready.has_ended


def test_the_application_is_held_back_until_it_lives(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring, waits=False)
    done = run_command("healthcheck", "--admin", address(sidecar), "--wait", "45")
    assert (done.returncode, done.stderr) == (0, "")


def helm_test(sidecar: SidecarProcess, **more: str) -> subprocess.CompletedProcess[str]:
    host, port = sidecar.admin_address
    environment = {
        "CALLERS_URL": "http://{}:{}".format(*sidecar.inbound_address),
        "ADMIN_HOST": host,
        "ADMIN_PORT": str(port),
        "SERVICE": "thoughts-backend",
        "VERSION_PATH": "/version",
        "PROTECTED_PATH": "/a",
        "PATIENCE_S": "0",
    }
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.read_text()],
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_helm_test_finds_the_version_a_refusal_and_the_metrics(ready: SidecarProcess) -> None:
    done = helm_test(ready)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ok: thoughts-backend says on /version that it is unknown",
        "ok: /a without a token is refused",
        "ok: the metrics of every pod can be read (1)",
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"SERVICE": "users"}, "failed: it says to be thoughts-backend, not users"),
        ({"PROTECTED_PATH": "/version"}, "/version without a token was answered 200, not 401"),
        ({"VERSION_PATH": "/a"}, "answered 401, not 200"),
        ({"ADMIN_HOST": "nobody.invalid"}, "failed:"),
    ],
)
def test_helm_test_fails_where_one_of_them_is_not_so(
    ready: SidecarProcess, wrong: dict[str, str], words: str
) -> None:
    done = helm_test(ready, **wrong)
    assert done.returncode == 1
    assert words in done.stdout
    assert done.stderr == ""
