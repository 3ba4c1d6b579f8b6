"""``sidecar demo`` says in one line what keeps it from being shown."""

import errno
import tempfile
from pathlib import Path

import pytest

from sidecar.cli.main import run_command_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.ENOSPC, "demo: no space is left for its files in {} (TMPDIR="),
        (errno.EACCES, "{}: Permission denied\n"),
    ],
)
def test_a_disk_that_takes_nothing_is_wrong_usage(
    error: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def perform(*_: object, **__: object) -> int:
        is_full = error == errno.ENOSPC  # what a full disk is asked for has no name in the error
        raise OSError(error, "Permission denied", None if is_full else str(tmp_path))

    monkeypatch.setattr("sidecar.demo.performance.perform", perform)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert run_command_line(["demo", "--plain", "--prometheus", "none"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"sidecar: {said.format(tmp_path)}")
    assert shown.count("\n") == 1
