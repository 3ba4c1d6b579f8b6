"""Observe mode: nothing is refused, and everything that would be is counted and said."""

from typing import Any

import pytest

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess, wait_until

RULES: list[dict[str, Any]] = [
    {"paths": ["/open/*"], "access": "public"},
    {"paths": ["/admin/*"], "claims": {"role": "admin"}},
    {"paths": ["/internal/*"], "access": "deny"},
    {"paths": ["/maybe"], "access": "optional"},
]


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    claims = {"username": "X-Auth-Username"}
    return {"auth": {"mode": "observe", "rules": RULES, "forward": {"claims": claims}}}


def rejected(sidecar: SidecarProcess) -> dict[tuple[str, str], float]:
    """Would-be refusals by rule and reason."""
    return {
        (rule, reason): value
        for (enforced, reason, rule), value in sidecar.metrics()
        .nonzero("sidecar_rule_rejected_total")
        .items()
        if enforced == "false"
    }


def test_every_rule_that_can_refuse_shows_a_zero_before_anything_happens(
    sidecar: SidecarProcess,
) -> None:
    samples = list(sidecar.metrics().samples("sidecar_rule_rejected_total"))
    assert {labels["rule"] for labels, _ in samples} >= {"1", "2", "3", "default", "ambiguous"}
    assert all(labels["rule"] != "0" for labels, _ in samples)
    assert all(labels["enforced"] == "false" for labels, _ in samples)


def test_what_enforce_would_refuse_is_forwarded_and_counted_by_rule(
    sidecar: SidecarProcess, application: Application, signer: Signer, stranger: Signer
) -> None:
    before = rejected(sidecar)
    cases = [
        ("/open/x", stranger.token(), None, None),
        ("/me", signer.token(), None, None),
        ("/me", None, "default", "missing"),
        ("/me", stranger.token(), "default", "bad_signature"),
        ("/admin/x", signer.token(), "1", "forbidden"),
        ("/admin/x", signer.token(exp=5, iat=4), "1", "expired"),
        ("/admin/x", signer.token(role="admin"), None, None),
        ("/internal/x", signer.token(), "2", "forbidden"),
        ("/maybe", None, None, None),
        ("/maybe", "nonsense", "3", "malformed"),
        ("/open/../internal/x", signer.token(), "ambiguous", "forbidden"),
    ]
    for target, token, _, reason in cases:
        assert sidecar.ask(request(target, "X-Auth-Status: forged", token=token)).status == 200
        assert application.last.values("X-Auth-Status") == [(reason or "ok").encode()]
        assert application.last.target == target.encode()

    now = rejected(sidecar)
    fresh = {entry: now[entry] - before.get(entry, 0) for entry in now}
    expected = {(rule, reason): 1 for _, _, rule, reason in cases if rule is not None}
    assert {entry: count for entry, count in fresh.items() if count} == expected
    enforced = sidecar.metrics().nonzero("sidecar_tokens_rejected_total")
    assert all(labels[0] == "false" for labels in enforced)


def test_a_bad_token_names_nobody(
    sidecar: SidecarProcess, application: Application, stranger: Signer
) -> None:
    sidecar.ask(request("/me", "X-Auth-Username: alfred", token=stranger.token()))

    assert application.last.values("X-Auth-Username") == []


def test_each_would_be_refusal_is_in_the_log_with_its_rule(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    sidecar.ask(request("/admin/x", "X-Request-ID: observed-1", token=signer.token()))

    line = sidecar.access_line("observed-1")
    assert (line["status"], line["would_refuse"], line["rule"]) == (200, "forbidden", "1")
    assert "reason" not in line


def test_many_would_be_refusals_are_few_lines_with_a_count_of_the_rest(
    sidecar: SidecarProcess, application: Application
) -> None:
    def told() -> int:
        lines = [line for line in sidecar.access_log if line.get("would_refuse") == "missing"]
        lines = [line for line in lines if line["path"] == "/flood"]
        left_out: int = sum(
            line.get("left_out", 0)
            for line in sidecar.access_log
            if "missing" in (line.get("would_refuse"), line.get("about"))
        )
        assert len(lines) < 150
        return len(lines) + left_out

    with sidecar.connect() as client:
        for _ in range(300):
            assert client.exchange(request("/flood")).status == 200

    wait_until(lambda: told() >= 300, "every line was written or counted as left out")
