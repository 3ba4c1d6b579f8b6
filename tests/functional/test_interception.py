"""``sidecar intercept`` with real rules, in namespaces that nothing else can see."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.sidecar_process import ROOT, clean_environment, run_command

_IS_ROOT = os.geteuid() == 0
_UNSHARE = (
    *("--net", "--mount"),
    *("--pid", "--fork", "--kill-child"),  # whoever is started inside ends with it, come what may
    # Who is not root is root in a user namespace, and needs a second user there.
    *(() if _IS_ROOT else ("--map-root-user", "--map-auto")),
)


@pytest.mark.timeout(900)
@pytest.mark.needs_tool(
    *("curl", "ip", "nft", "iptables", "ip6tables", "setpriv", "unshare"),
    *(() if _IS_ROOT else ("newuidmap",)),
)
@pytest.mark.parametrize("subject", ["traffic", "rules", "refusals", "attackers"])
def test_a_pod_is_intercepted(
    subject: str, tool_path: Callable[[str], Path], tmp_path: Path
) -> None:
    inside = ROOT / "tests" / "functional" / "pod" / f"{subject}.py"
    # Names of network namespaces are files, and so is the lock of iptables: a /run of our own keeps
    # them from everybody else.
    prepare = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && exec "$@"'
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-x", f"--basetemp={tmp_path / 'in'}"]
    run = subprocess.run(
        [tool_path("unshare"), *_UNSHARE, "sh", "-c", prepare, "sh", *pytest_command,
         "-p", "no:cacheprovider", inside],
        cwd=ROOT,
        env=clean_environment({"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ports", "8000", "--except-sources", "::/0"], "--except-sources: ::/0 is everybody"),
        (["--ports", "8000", "--except-sources", "::ffff:10.0.0.0/104"], "write it as IPv4"),
        (["--ports", "8000", "--except-ports", "7000-9000"], "leaves nothing of --ports 8000"),
        (["--ports", "8000", "--outbound-to", "15006"], "--outbound-to: 15006 is --to too"),
        (["--ports", "8000-8100,8050"], "--ports: 8000-8100 and 8050 overlap"),
        (["--ports", "80000"], "--ports: '80000' has a port that is not between 1 and 65535"),
        (["--ports", ""], "--ports: names no port"),
        (["--ports", "15006"], "--ports: 15006 is a port of the sidecar itself"),
        (["--ports", "8000", "--app-uid", "1337"], "--uid: 1337 is the application's user too"),
        (["--ports", "8000", "--except-sources", "10.0.0.1/8"], "is not a network such as"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_line_and_exit_code_2(
    options: list[str], says: str
) -> None:
    done = run_command("intercept", "apply", "--dry-run", *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
