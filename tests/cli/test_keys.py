"""``sidecar keys``: pairs of files, and what a keyring holds."""

import base64
import hashlib
import json
import os
import stat
from pathlib import Path

import jwt
import pytest

from sidecar.cli.main import run_command_line

Capture = pytest.CaptureFixture[str]


def generate(key_id: str, out: Path, algorithm: str = "ES256") -> int:
    options = ["--id", key_id, "--out", str(out), "--algorithm", algorithm]
    return run_command_line(["keys", "generate", *options])


@pytest.fixture
def keyring(tmp_path: Path, capsys: Capture) -> Path:
    """A directory of two public keys, 2026-9 and 2026-11."""
    place = tmp_path / "keyring"
    place.mkdir()
    for key_id in ("2026-9", "2026-11"):
        assert generate(key_id, tmp_path / "made") == 0
        (tmp_path / "made" / f"{key_id}.pub").rename(place / f"{key_id}.pub")
    capsys.readouterr()
    return place


def list_as_json(place: Path, capsys: Capture, *options: str) -> dict[str, object]:
    assert run_command_line(["keys", "list", "--keyring", str(place), "--json", *options]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_generated_pair_is_two_files_and_only_the_public_one_is_for_others(
    algorithm: str, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "a" / "b"
    assert generate("2026-11", out, algorithm) == 0
    private_path, public_path = out / "2026-11.key", out / "2026-11.pub"
    assert capsys.readouterr().out == f"{private_path}\n{public_path}\n"
    assert stat.S_IMODE(private_path.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in private_path.read_bytes()
    assert b"PRIVATE" not in public_path.read_bytes()
    found = list_as_json(public_path, capsys)
    assert isinstance(found["keys"], list)
    assert [(key["id"], key["algorithm"]) for key in found["keys"]] == [("2026-11", algorithm)]


def test_a_private_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert generate("2026-11", tmp_path) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "2026-11.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", ["key", "pub"])
def test_a_file_that_exists_is_never_overwritten(
    suffix: str, tmp_path: Path, capsys: Capture
) -> None:
    there = tmp_path / f"2026-11.{suffix}"
    there.write_text("precious")
    assert generate("2026-11", tmp_path) == 2
    assert there.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [there]
    assert "is not overwritten" in capsys.readouterr().err


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "2026-11.key").symlink_to(tmp_path / "elsewhere")
    assert generate("2026-11", tmp_path) == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "key_id", ["", "../2026", "a/b", ".hidden", "-x", "a b", "a\n", "é", "x" * 129]
)
def test_an_id_that_is_no_file_name_is_refused(
    key_id: str, tmp_path: Path, capsys: Capture
) -> None:
    assert generate(key_id, tmp_path / "out") == 2
    assert "--id" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_keys_are_listed_in_natural_order_and_the_last_is_new(
    keyring: Path, capsys: Capture
) -> None:
    assert run_command_line(["keys", "list", "--keyring", str(keyring)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "GENERATION", "ALGORITHM", "THUMBPRINT", "SOURCE"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["2026-9", "old", "ES256"],
        ["2026-11", "new", "ES256"],
    ]
    assert lines[1].endswith("2026-9.pub")


def test_the_configuration_says_which_key_is_newest(
    keyring: Path, tmp_path: Path, capsys: Capture
) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text('auth: {newest: "2026-9"}\n')
    assert list_as_json(keyring, capsys, "--config", str(config))["newest"] == "2026-9"


def test_the_keyring_may_come_from_the_environment(
    keyring: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_KEYRING", str(keyring))
    assert run_command_line(["keys", "list"]) == 0
    assert "2026-11" in capsys.readouterr().out


def test_what_cannot_be_used_is_named_and_the_others_are_listed(
    keyring: Path, capsys: Capture
) -> None:
    (keyring / "broken.pub").write_bytes(b"\x00\x01nonsense")
    assert run_command_line(["keys", "list", "--keyring", str(keyring)]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert f"{keyring / 'broken.pub'} is neither PEM nor" in said.err
    assert "nonsense" not in said.err


def test_a_keyring_without_a_key_says_so(tmp_path: Path, capsys: Capture) -> None:
    assert run_command_line(["keys", "list", "--keyring", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "there is no usable key" in said.err


def test_a_keyring_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert run_command_line(["keys", "list", "--keyring", str(tmp_path / "nowhere")]) == 2


def test_a_published_set_holds_public_keys_and_nothing_else(
    tmp_path: Path, capsys: Capture
) -> None:
    for algorithm in ("RS256", "PS256", "ES256", "EdDSA"):
        assert generate(f"key-{algorithm}", tmp_path, algorithm) == 0
    capsys.readouterr()
    assert run_command_line(["keys", "jwks", "--keyring", str(tmp_path)]) == 0
    published = json.loads(capsys.readouterr().out)
    assert {key["kid"]: key["alg"] for key in published["keys"]} == {
        f"key-{algorithm}": algorithm for algorithm in ("RS256", "PS256", "ES256", "EdDSA")
    }
    for key in published["keys"]:
        assert key["use"] == "sig"
        assert key.keys() <= {"kid", "use", "alg", "kty", "n", "e", "crv", "x", "y"}
    # another library reads it
    assert len(jwt.PyJWKSet.from_dict(published).keys) == 4


def test_a_published_set_is_the_same_keyring_when_it_is_read_again(
    keyring: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run_command_line(["keys", "jwks", "--keyring", str(keyring)]) == 0
    copy = tmp_path / "published.json"
    copy.write_text(capsys.readouterr().out)
    assert list_as_json(copy, capsys)["digest"] == list_as_json(keyring, capsys)["digest"]


def test_a_thumbprint_is_that_of_rfc_7638(keyring: Path, capsys: Capture) -> None:
    assert run_command_line(["keys", "jwks", "--keyring", str(keyring / "2026-11.pub")]) == 0
    (key,) = json.loads(capsys.readouterr().out)["keys"]
    members = {name: key[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    found = list_as_json(keyring / "2026-11.pub", capsys)["keys"]
    assert isinstance(found, list)
    assert [key["thumbprint"] for key in found] == [expected]
