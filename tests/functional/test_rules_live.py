"""Access rules at work, and ``rules explain`` beside them: both say the same of every request."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.main import run_command_line
from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess

RULES: list[dict[str, Any]] = [
    {"paths": ["/healthz", "/livez/*"], "access": "public"},
    {"paths": ["/api/*/public"], "methods": ["GET"], "access": "public"},
    {"paths": ["/write/*"], "claims": {"scope": {"contains": "write"}}},
    {"paths": ["/team/*"], "claims": {"role": ["admin", "owner"], "groups": {"contains": "ops"}}},
    {"paths": ["/feed"], "access": "optional"},
    {"paths": ["/internal/*"], "access": "deny"},
]


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {"auth": {"rules": RULES}}


def test_probes_of_kubernetes_can_be_made_public(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert sidecar.ask(request("/healthz", "User-Agent: kube-probe/1.31")).status == 200
    assert sidecar.ask(request("/livez/db?verbose")).status == 200
    assert sidecar.ask(request("/healthz/x")).status == 401


def test_a_rule_for_get_is_one_for_head(sidecar: SidecarProcess, application: Application) -> None:
    assert sidecar.ask(request("/api/7/public")).status == 200
    assert sidecar.ask(request("/api/7/public", method="HEAD")).status == 200
    assert application.last.method == b"HEAD"
    assert sidecar.ask(request("/api/7/public", method="POST")).status == 401


@pytest.mark.parametrize(
    ("target", "claims", "status"),
    [
        ("/write/x", {"scope": "read write"}, 200),
        ("/write/x", {"scope": ["read", "write"]}, 200),
        ("/write/x", {"scope": "read writer"}, 403),
        ("/write/x", {"scope": "read\twrite"}, 403),
        ("/write/x", {}, 403),
        ("/team/x", {"role": "owner", "groups": ["dev", "ops"]}, 200),
        ("/team/x", {"role": "owner", "groups": ["dev"]}, 403),
        ("/team/x", {"role": ["owner"], "groups": ["ops"]}, 403),
        ("/feed", {"role": None}, 200),
        ("/internal/x", {"role": "owner", "groups": ["ops"]}, 403),
    ],
)
def test_claims_open_what_the_rule_says(
    sidecar: SidecarProcess,
    application: Application,
    signer: Signer,
    target: str,
    claims: dict[str, Any],
    status: int,
) -> None:
    assert sidecar.ask(request(target, token=signer.token(**claims))).status == status


TARGETS = (
    "/healthz",
    "/livez/",
    "/livez",
    "/api/1/public",
    "/api/1%2F2/public",
    "/api//public",
    "/API/1/public",
    "/write/x",
    "/write/../healthz",
    "/write/%2e%2e/healthz",
    "//internal/x",
    "/internal%2fx",
    "/Internal/x",
    "/internal;x/y",
    "/feed",
    "/feed?x=/internal/",
    "/me",
)


@pytest.mark.parametrize("method", ["GET", "POST", "delete"])
def test_what_is_explained_is_what_is_answered(
    launch: Launch,
    tmp_path: Path,
    application: Application,
    keyring: Path,
    signer: Signer,
    method: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    signer.publish(keyring)
    sidecar = launch({"auth": {"rules": RULES}}, application=application, keyring=keyring)
    (file,) = tmp_path.glob("sidecar-*.yaml")
    token = signer.token(scope="write")
    for target in TARGETS:
        for given in (None, token):
            words = ["rules", "explain", method, target, "--config", str(file), "--json"]
            code = run_command_line([*words, *(["--token", given] if given else [])])
            report = json.loads(capsys.readouterr().out)
            answer = sidecar.ask(request(target, token=given, method=method))
            expected = report.get("status", 200)
            assert answer.status == expected, (method, target, report)
            assert code == (0 if expected == 200 else 1)
            if expected != 200:
                assert answer.problem_reason == report["reason"]
