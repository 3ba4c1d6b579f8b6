"""The shell completes what the program knows: asked in a real bash, as a press of the key does."""

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
    program = directory / "sidecar"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    script = _PRESS.format(line=shlex.join(("sidecar", *words)), place=len(words))
    done = subprocess.run(
        ["bash", "-c", f"PATH={directory}:$PATH\n{script}"],
        check=True,
        capture_output=True,
        text=True,
    )
    # Outside of a real key press there is no completion whose options could be set.
    return done.stdout.split()


def test_bash_completes_commands(tmp_path: Path) -> None:
    assert press(tmp_path, "") == list(COMMANDS)
    assert press(tmp_path, "co") == ["config", "completion"]


def test_bash_completes_commands_of_a_group_options_and_their_words(tmp_path: Path) -> None:
    assert press(tmp_path, "keys", "g") == ["generate"]
    assert press(tmp_path, "keys", "generate", "--al") == ["--algorithm"]
    assert press(tmp_path, "keys", "generate", "--algorithm", "E") == ["ES256", "EdDSA"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", shell]) == 0
    assert "_SIDECAR_COMPLETE" in capsys.readouterr().out


def test_for_another_shell_the_known_ones_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", "csh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
