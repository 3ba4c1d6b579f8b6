"""``sidecar config``: ok or every problem, what is in force and why, and the schema."""

import json
from pathlib import Path

import pytest

from sidecar.cli.main import run_command_line


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIDECAR_CONFIG", "SIDECAR_KEYRING", "SIDECAR_AUTH"):
        monkeypatch.delenv(name, raising=False)


def test_a_good_configuration_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["config", "check", "--keyring", "/keys"]) == 0
    assert capsys.readouterr() == ("ok\n", "")


def test_every_problem_of_every_source_is_a_line_and_the_exit_code_is_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text("auth:\n  rules:\n    - {paths: [/a], access: maybe}\nbogus: 1\n")
    monkeypatch.setenv("SIDECAR_LEEWAY", "soon")
    arguments = ["config", "check", "--config", str(file), "--keyring", "/keys", "--drain", "5"]
    assert run_command_line(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("sidecar: ") for line in lines)
    assert (
        "sidecar: auth.rules[0].access: 'maybe' is not one of token, optional, public, deny"
        f" (file {file}:3)"
    ) in lines


def test_show_prints_settings_that_can_be_used_as_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["config", "show", "--keyring", "/a", "--keyring", "/b", "--version-paths", "/v,/w"]
    assert run_command_line(arguments) == 0
    shown = capsys.readouterr().out
    assert "  paths: [/v, /w]                       # flag --version-paths\n" in shown
    file = tmp_path / "again.yaml"
    file.write_text(shown)
    assert run_command_line(["config", "check", "--config", str(file)]) == 0


def test_show_as_json_has_value_and_origin_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_LISTEN", "127.0.0.1:1,127.0.0.1:2")
    assert run_command_line(["config", "show", "--json", "--auth", "off"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["listen"] == {
        "value": ["127.0.0.1:1", "127.0.0.1:2"],
        "origin": "environment SIDECAR_LISTEN",
    }
    assert shown["auth.mode"] == {"value": "off", "origin": "flag --auth"}


def test_a_wrong_configuration_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["config", "show", "--auth", "maybe", "--keyring", "/keys"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "'maybe' is not one of enforce, observe, off (flag --auth)" in output.err


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_no_version_path_can_be_said_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["config", "show", "--json", "--auth", "off", "--version-paths", ""]
    assert run_command_line(arguments) == 0
    assert json.loads(capsys.readouterr().out)["version.paths"]["value"] == []
