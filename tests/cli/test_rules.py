"""``sidecar rules explain``: the same answer as a real request would get, and why."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli.main import run_command_line
from tests.tokens.minting import mint, pem

Capture = pytest.CaptureFixture[str]

CONFIGURATION = """
auth:
  from: [{header: Authorization, scheme: Bearer}, {query: access_token}]
  rules:
    - {paths: [/healthz], access: public}
    - {paths: [/admin/*], claims: {role: admin, scope: {contains: write}}}
    - {paths: [/internal/*], access: deny}
    - {paths: [/read/*], methods: [GET], access: public}
"""
LONG = {"iat": 1_700_000_000, "exp": 4_000_000_000}


class Asker:
    def __init__(self, place: Path, capsys: Capture) -> None:
        self._file = place / "sidecar.yaml"
        self._file.write_text(CONFIGURATION)
        self.keyring = place / "keyring"
        self.keyring.mkdir()
        (self.keyring / "2026-11.pub").write_bytes(pem())
        self._capsys = capsys

    def configure(self, more: str) -> None:
        self._file.write_text(CONFIGURATION + more)

    def ask(self, *words: str, token: bytes | None = None) -> tuple[int, str]:
        more = [] if token is None else ["--token", token.decode()]
        place = ["--config", str(self._file), "--keyring", str(self.keyring)]
        code = run_command_line(["rules", "explain", *words, *place, *more])
        said = self._capsys.readouterr()
        assert token is None or token.decode() not in said.out + said.err
        return code, said.out

    def report(self, *words: str, token: bytes | None = None) -> tuple[int, dict[str, Any]]:
        code, out = self.ask(*words, "--json", token=token)
        return code, json.loads(out)


@pytest.fixture
def asker(tmp_path: Path, capsys: Capture) -> Asker:
    return Asker(tmp_path, capsys)


@pytest.mark.parametrize(
    ("method", "path", "rule", "reason"),
    [
        ("GET", "/healthz", "0", None),
        ("HEAD", "/read/x", "3", None),
        ("POST", "/read/x", "default", "missing"),
        ("GET", "/internal/x?y=1", "2", "forbidden"),
        ("GET", "/me", "default", "missing"),
        ("GET", "/admin//x", "1", "missing"),
        ("GET", "/Admin/x", None, "ambiguous_path"),
        ("GET", "/internal/../healthz", None, "ambiguous_path"),
    ],
)
def test_the_rule_and_the_answer_without_a_token(
    method: str, path: str, rule: str | None, reason: str | None, asker: Asker
) -> None:
    code, report = asker.report(method, path)
    assert report["rule"] == rule
    assert report.get("reason") == reason
    assert report["answer"] == ("let in" if reason is None else "refused")
    assert code == (0 if reason is None else 1)


def test_every_reading_is_shown(asker: Asker) -> None:
    _, report = asker.report("GET", "/a%2Fb")
    assert [each["path"] for each in report["readings"]] == ["/a%2Fb", "/a/b"]
    assert report["why"] == "Every reading agrees."


def test_claims_are_held_against_the_rule_one_by_one(asker: Asker) -> None:
    token = mint({**LONG, "role": "user", "scope": "read write"})
    code, report = asker.report("GET", "/admin/x", token=token)
    assert (code, report["status"], report["reason"]) == (1, 403, "forbidden")
    assert (report["key"], report["generation"]) == ("2026-11", "new")
    assert [(each["claim"], each["holds"]) for each in report["conditions"]] == [
        ("role", False),
        ("scope", True),
    ]
    token = mint({**LONG, "role": "admin", "scope": "read write"})
    assert asker.report("GET", "/admin/x", token=token)[0] == 0
    code, out = asker.ask("GET", "/admin/x", token=token)
    assert code == 0
    assert out.startswith("let in\n")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (mint(LONG, number=1), "bad_signature"),
        (mint({"iat": 1, "exp": 2}), "expired"),
        (b"x.y", "malformed"),
    ],
)
def test_a_wrong_token_has_its_reason(token: bytes, reason: str, asker: Asker) -> None:
    code, report = asker.report("GET", "/me", token=token)
    assert (code, report["reason"]) == (1, reason)


def test_a_token_in_the_query_is_used_and_not_shown(asker: Asker) -> None:
    token = mint(LONG).decode()
    code, out = asker.ask("GET", f"/me?access_token={token}")
    assert code == 0
    assert token not in out
    code, out = asker.ask("GET", f"/me?access_token={token}", token=mint({**LONG, "a": 1}))
    assert code == 1
    assert "duplicate" in out


def test_the_token_may_come_from_standard_input(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"Bearer " + mint(LONG) + b"\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert asker.ask("GET", "/me", "--token", "-")[0] == 0


def test_a_version_path_is_answered_before_any_rule(asker: Asker) -> None:
    code, report = asker.report("GET", "/version")
    assert code == 0
    assert "rule" not in report


def test_what_no_server_should_take_is_refused(asker: Asker) -> None:
    code, report = asker.report("GET", "no-slash")
    assert (code, report["status"]) == (1, 400)


def test_observing_lets_in_and_says_what_enforcing_would_say(asker: Asker) -> None:
    asker.configure("  mode: observe\n")
    code, report = asker.report("GET", "/me")
    assert code == 0
    assert report["enforce"]["reason"] == "missing"
    code, out = asker.ask("GET", "/Admin/x")
    assert code == 0
    assert "mode enforce would have refused: 400 ambiguous_path" in out


def test_without_keys_it_cannot_be_found_out(asker: Asker) -> None:
    (asker.keyring / "2026-11.pub").unlink()
    code, report = asker.report("GET", "/me", token=mint(LONG))
    assert (code, report["reason"]) == (3, "keys_unavailable")
    assert asker.ask("GET", "/healthz")[0] == 0


def test_a_revoked_key_is_revoked_here_too(asker: Asker) -> None:
    (asker.keyring / "2026-11.revoked").touch()
    code, report = asker.report("GET", "/me", token=mint(LONG))
    assert (code, report["reason"]) == (1, "revoked")


@pytest.mark.parametrize("words", [(), ("GET",), ("GET", "/", "--nothing")])
def test_wrong_usage(words: tuple[str, ...], capsys: Capture) -> None:
    assert run_command_line(["rules", "explain", *words]) == 2
    assert capsys.readouterr().out == ""
