"""As the first process of a container, which gets no signal that it does not handle."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.cli.main import TERMINATED
from tests.functional.sidecar_process import COMMAND, ROOT, clean_environment

_PATIENCE_S = 60
# Who is not root is root in a user namespace.
_UNSHARE = ("--pid", "--fork") if os.geteuid() == 0 else ("--pid", "--fork", "--map-root-user")


@pytest.mark.needs_tool("unshare")
def test_a_command_that_waits_ends_when_its_pod_does(tool_path: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dependency:
        url = f"http://127.0.0.1:{dependency.getsockname()[1]}/version"
        environment = clean_environment({"SIDECAR_DEPENDENCIES": f"users={url} >=v2"})
        command = [*COMMAND, "deps", "check", "--wait", "10m"]
        unshared = subprocess.Popen(
            [tool_path("unshare"), *_UNSHARE, "--kill-child", *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            dependency.settimeout(_PATIENCE_S)
            asked, _ = dependency.accept()
            with asked:
                os.kill(_child_of(unshared.pid), signal.SIGTERM)
                assert unshared.wait(_PATIENCE_S) == TERMINATED
        finally:
            unshared.kill()
            unshared.wait()


def _child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
