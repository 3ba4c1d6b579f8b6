"""The kernel redirects for real, in a network namespace that nothing else can see."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.sidecar_process import ROOT, clean_environment

_IS_ROOT = os.geteuid() == 0
# Who is not root is root in a user namespace, and needs a second group there.
_UNSHARE = ("--net",) if _IS_ROOT else ("--net", "--map-root-user", "--map-auto")


@pytest.mark.timeout(300)
@pytest.mark.needs_tool("ip", "nft", "setpriv", "unshare", *(() if _IS_ROOT else ("newuidmap",)))
def test_redirected_connections_go_where_they_were_going(
    tool_path: Callable[[str], Path], tmp_path: Path
) -> None:
    inside = ROOT / "tests" / "functional" / "in_a_namespace.py"
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-x", f"--basetemp={tmp_path / 'in'}"]
    run = subprocess.run(
        [tool_path("unshare"), *_UNSHARE, *pytest_command, "-p", "no:cacheprovider", inside],
        cwd=ROOT,
        env=clean_environment({"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
