"""On a real terminal: tables fit it, and waiting is told. In a pipe: neither."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.files import write_files
from tests.cli.terminal import run_in_terminal

PROGRAM = [sys.executable, "-m", "sidecar"]


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A service that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/version"


def test_a_table_fits_a_terminal_of_forty_columns(tmp_path: Path) -> None:
    write_files(tmp_path)
    command = [*PROGRAM, "keys", "list", "--keyring", str(tmp_path / "keyring")]

    shown = run_in_terminal(command, columns=40)
    piped = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert all(len(line) <= 40 for line in shown.splitlines())
    assert re.search(r"^GENERATION +new$", shown, re.MULTILINE)
    assert len(piped.splitlines()) == 2


def test_waiting_is_told_on_a_terminal_and_the_line_is_taken_back(silent_url: str) -> None:
    command = [*PROGRAM, "deps", "check", "--dependencies", f"mail={silent_url}"]

    shown = run_in_terminal(command, columns=80)

    assert "sidecar: waiting for the answers of dependencies (1 s)" in shown
    table = shown.rpartition("\r\x1b[K")[2]
    assert "waiting" not in table
    assert table.startswith("DEPENDENCY")


def test_waiting_for_a_sidecar_to_live_is_told_too() -> None:
    command = [*PROGRAM, "healthcheck", "--admin", "127.0.0.1:9", "--wait", "3"]

    shown = run_in_terminal(command, columns=80)

    assert "sidecar: waiting for 127.0.0.1:9 (1 s)" in shown
    assert shown.endswith("\r\x1b[K127.0.0.1:9 cannot be asked: Connection refused\n")


def test_a_pipe_is_never_told(silent_url: str) -> None:
    command = [*PROGRAM, "deps", "check", "--dependencies", f"mail={silent_url}"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert done.stderr == ""
