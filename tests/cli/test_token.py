"""``sidecar token``: what is minted is accepted, and what is refused is refused with its reason."""

import io
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.main import run_command_line
from sidecar.cli.token import parse_claims

Capture = pytest.CaptureFixture[str]


class Issuer:
    """Two pairs of keys, of which 2026-11 is the newer, and a keyring of their public halves."""

    def __init__(self, place: Path, capsys: Capture) -> None:
        self.keys = place / "keys"
        self.keyring = place / "keyring"
        self.keyring.mkdir()
        self._capsys = capsys
        for key_id in ("2026-09", "2026-11"):
            self._run("keys", "generate", "--id", key_id, "--out", str(self.keys))
            (self.keys / f"{key_id}.pub").rename(self.keyring / f"{key_id}.pub")

    def _run(self, *words: str) -> str:
        assert run_command_line(words) == 0
        return self._capsys.readouterr().out

    def mint(self, key_id: str, *options: str) -> str:
        return self._run(
            "token", "mint", "--key", str(self.keys / f"{key_id}.key"), "--ttl", "2d", *options
        ).strip()

    def inspect(self, token: str, *options: str) -> tuple[int, str]:
        code = run_command_line(
            ["token", "inspect", token, "--keyring", str(self.keyring), *options]
        )
        said = self._capsys.readouterr()
        signature = token.rpartition(".")[2]
        assert token == "-" or signature not in said.out + said.err
        return code, said.out

    def report(self, token: str, *options: str) -> tuple[int, dict[str, Any]]:
        code, out = self.inspect(token, "--json", *options)
        return code, json.loads(out)


@pytest.fixture
def issuer(tmp_path: Path, capsys: Capture) -> Issuer:
    return Issuer(tmp_path, capsys)


def test_a_minted_token_lives_from_now_for_its_ttl(issuer: Issuer) -> None:
    before = int(time.time())
    claims = jwt.decode(issuer.mint("2026-11"), options={"verify_signature": False})
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 2 * 86400


def test_a_token_states_no_key_id_unless_it_is_given_one(issuer: Issuer) -> None:
    assert "kid" not in jwt.get_unverified_header(issuer.mint("2026-11"))
    token = issuer.mint("2026-11", "--kid", "2026-11")
    assert jwt.get_unverified_header(token)["kid"] == "2026-11"


def test_claims_are_json_where_they_can_be_and_text_where_not(issuer: Issuer) -> None:
    token = issuer.mint(
        "2026-11",
        *("--claim", "username=ana", "--claim", "n=5", "--claim", "admin=true"),
        *("--claim", 'roles=["a", "b"]', "--claim", "empty=", "--claim", "sum=1=1"),
    )
    claims = jwt.decode(token, options={"verify_signature": False})
    del claims["iat"], claims["exp"]
    assert claims == {
        "username": "ana",
        "n": 5,
        "admin": True,
        "roles": ["a", "b"],
        "empty": "",
        "sum": "1=1",
    }


def test_a_claim_wins_over_what_the_ttl_would_say(issuer: Issuer) -> None:
    token = issuer.mint("2026-11", "--claim", "iat=1700000000", "--claim", "exp=1700000060")
    code, report = issuer.report(token)
    assert (code, report["reason"], report["key"]) == (1, "expired", "2026-11")


@given(st.text(), st.text())
def test_any_text_after_the_name_is_a_claim_that_json_can_hold(name: str, value: str) -> None:
    name = name.replace("=", "") or "name"
    claims = parse_claims([f"{name}={value}"])
    assert claims.keys() == {name}
    json.loads(json.dumps(claims, allow_nan=False))


@pytest.mark.parametrize(
    "options",
    [
        ("--claim", "username"),
        ("--claim", "=ana"),
        ("--claim", "a=1", "--claim", "a=2"),
        ("--ttl", "0"),
        ("--ttl", "1500ms"),
        ("--ttl", "-5s"),
        ("--ttl", "soon"),
        ("--key", "/nowhere.key"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    options: tuple[str, ...], issuer: Issuer, capsys: Capture
) -> None:
    words = ["token", "mint", "--key", str(issuer.keys / "2026-11.key"), "--ttl", "2d", *options]
    assert run_command_line(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_a_public_key_cannot_mint_and_is_not_quoted(issuer: Issuer, capsys: Capture) -> None:
    public_key = issuer.keyring / "2026-11.pub"
    assert run_command_line(["token", "mint", "--key", str(public_key), "--ttl", "2d"]) == 2
    assert capsys.readouterr().err == f"sidecar: {public_key} is not a private key in PEM\n"


@pytest.mark.parametrize(("key_id", "generation"), [("2026-09", "old"), ("2026-11", "new")])
def test_a_good_token_names_the_key_that_verified_it(
    key_id: str, generation: str, issuer: Issuer
) -> None:
    code, report = issuer.report(issuer.mint(key_id, "--claim", "username=ana"))
    assert code == 0
    assert report["verified"] is True
    assert (report["key"], report["generation"]) == (key_id, generation)
    assert report["algorithm"] == "RS256"
    assert report["source"] == str(issuer.keyring / f"{key_id}.pub")
    assert report["claims"]["username"] == "ana"
    assert report["expires_at"].endswith("Z")


def test_the_answer_for_people_says_the_same(issuer: Issuer) -> None:
    code, out = issuer.inspect(issuer.mint("2026-11"))
    assert code == 0
    assert out.startswith("verified by key 2026-11 (new, RS256)\n")


@pytest.mark.parametrize("written", ["{}", "  {}\n", "Bearer {}\n", "bearer  {}"])
def test_the_token_may_come_from_standard_input(
    written: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written.format(issuer.mint("2026-11")).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    code, _ = issuer.inspect("-")
    assert code == 0


def test_an_expired_token_names_its_reason_and_the_key_whose_signature_held(
    issuer: Issuer,
) -> None:
    code, report = issuer.report(issuer.mint("2026-09"), "--at", "2100-01-01T00:00:00Z")
    assert code == 1
    assert (report["reason"], report["key"], report["generation"]) == ("expired", "2026-09", "old")
    assert report["unverified_claims"].keys() == {"iat", "exp"}


def test_a_token_of_before_its_time_is_not_yet_valid(issuer: Issuer) -> None:
    code, report = issuer.report(issuer.mint("2026-11"), "--at", "2020-01-01T00:00:00Z")
    assert (code, report["reason"]) == (1, "not_yet_valid")


def test_a_changed_token_has_a_bad_signature(issuer: Issuer) -> None:
    head, _, signature = issuer.mint("2026-11", "--claim", "role=user").split(".")
    _, payload, _ = issuer.mint("2026-11", "--claim", "role=admin").split(".")
    code, report = issuer.report(f"{head}.{payload}.{signature}")
    assert (code, report["reason"], report["key"]) == (1, "bad_signature", None)
    assert report["unverified_claims"]["role"] == "admin"


def test_an_unknown_key_id_is_shown_as_a_claim_only(issuer: Issuer) -> None:
    code, report = issuer.report(issuer.mint("2026-11", "--kid", "2027-01"))
    assert (code, report["reason"], report["key"]) == (1, "unknown_key", None)
    assert report["claimed_kid"] == "2027-01"


def test_a_token_cannot_speak_to_the_terminal(issuer: Issuer) -> None:
    _, out = issuer.inspect(issuer.mint("2026-11", "--kid", "\x1b[2J", "--claim", "a=\x1b[2J"))
    assert "\x1b" not in out


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "....", "\udcff"])
def test_what_is_no_token_is_malformed(token: str, issuer: Issuer) -> None:
    code = run_command_line(["token", "inspect", token, "--keyring", str(issuer.keyring)])
    assert code == 1


def test_the_service_s_own_configuration_is_applied(issuer: Issuer, tmp_path: Path) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text("auth: {issuer: users-backend}\n")
    with_config = ("--config", str(config))
    code, report = issuer.report(issuer.mint("2026-11"), *with_config)
    assert (code, report["reason"]) == (1, "wrong_issuer")
    code, _ = issuer.report(issuer.mint("2026-11", "--claim", "iss=users-backend"), *with_config)
    assert code == 0


def test_without_a_key_nothing_can_be_found_out(issuer: Issuer, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    token = issuer.mint("2026-11")
    assert run_command_line(["token", "inspect", token, "--keyring", str(empty)]) == 3


def test_a_keyring_that_is_not_there_is_wrong_usage(issuer: Issuer) -> None:
    token = issuer.mint("2026-11")
    assert run_command_line(["token", "inspect", token, "--keyring", "/nowhere"]) == 2


def test_a_time_that_is_none_is_wrong_usage(issuer: Issuer) -> None:
    token = issuer.mint("2026-11")
    place = str(issuer.keyring)
    assert run_command_line(["token", "inspect", token, "--keyring", place, "--at", "noon"]) == 2
