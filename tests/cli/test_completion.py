"""The shell completes what the program knows: asked in a real one, as a press of the key does."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.cli.main import COMMANDS, run_command_line

_PROGRAM = f"""#!/bin/sh
exec {shlex.quote(sys.executable)} -m sidecar "$@"
"""
_PRESS = """
eval "$(sidecar completion bash)"
COMP_WORDS=({line}) COMP_CWORD={place}
_sidecar_completion sidecar
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def press(directory: Path, *words: str) -> list[str]:
    """What bash offers after these words, the last of them unfinished."""
    install(directory)
    script = _PRESS.format(line=shlex.join(("sidecar", *words)), place=len(words))
    done = subprocess.run(
        ["bash", "-c", f"PATH={directory}:$PATH\n{script}"],
        check=True,
        capture_output=True,
        text=True,
    )
    # Outside of a real key press there is no completion whose options could be set.
    return done.stdout.split()


def press_in_fish(directory: Path, line: str) -> list[str]:
    """What fish offers after this line."""
    install(directory)
    script = f"sidecar completion fish | source; complete --do-complete={shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "--command", script],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(directory)},
    )
    return done.stdout.splitlines()


def install(directory: Path) -> None:
    program = directory / "sidecar"
    program.write_text(_PROGRAM)
    program.chmod(0o755)


def test_bash_completes_commands(tmp_path: Path) -> None:
    assert press(tmp_path, "") == list(COMMANDS)
    assert press(tmp_path, "co") == ["config", "completion"]


def test_bash_completes_commands_of_a_group_options_and_their_words(tmp_path: Path) -> None:
    assert press(tmp_path, "keys", "g") == ["generate"]
    assert press(tmp_path, "keys", "generate", "--al") == ["--algorithm"]
    assert press(tmp_path, "keys", "generate", "--algorithm", "E") == ["ES256", "EdDSA"]


def test_bash_completes_the_words_of_a_setting(tmp_path: Path) -> None:
    assert press(tmp_path, "run", "--auth", "") == ["enforce", "observe", "off"]
    assert press(tmp_path, "config", "check", "--log-level", "w") == ["warning"]


@pytest.mark.needs_tool("fish")
def test_fish_completes_commands_and_shows_all_of_what_they_are_for(tmp_path: Path) -> None:
    assert press_in_fish(tmp_path, "sidecar co") == [
        f"{name}\t{COMMANDS[name]}" for name in ("completion", "config")
    ]


@pytest.mark.needs_tool("fish")
def test_fish_completes_the_places_of_settings(tmp_path: Path) -> None:
    (tmp_path / "keyring").mkdir()
    (tmp_path / "key.pub").touch()
    keyring, key = f"{tmp_path}/keyring/", f"{tmp_path}/key.pub"
    assert press_in_fish(tmp_path, f"sidecar run --keyring {tmp_path}/k") == [key, keyring]
    (offered,) = press_in_fish(tmp_path, f"sidecar run --state-dir {tmp_path}/k")
    assert offered.split("\t")[0] == keyring


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", shell]) == 0
    assert "_SIDECAR_COMPLETE" in capsys.readouterr().out


def test_for_another_shell_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", "csh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
