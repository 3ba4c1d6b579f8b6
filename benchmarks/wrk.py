"""Load as fast as the proxy answers, from wrk: one thread, 32 connections."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.fleet import Proxy
from benchmarks.http import ITEM
from benchmarks.programs import find_program

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: answers a second, and the proxy's CPU time for each of them."""

    requests: int
    requests_per_s: float
    cpu_us_per_request: float


def press(proxy: Proxy, tokens: Path, duration_s: int, *, is_once: bool = False) -> Load:
    """Send requests for a time, or until each token was shown once where ``is_once``.

    Raises BenchError when one answer was not a success, or did not come.
    """
    program = find_program("wrk")
    if program is None:
        raise BenchError("wrk is not installed")
    url = f"http://127.0.0.1:{proxy.port}{ITEM}"
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{duration_s}s", "-s", _SCRIPT, url]
    command += ["--", tokens, "once" if is_once else "reuse"]
    before_s = proxy.process.cpu_s()
    # The arguments are paths and numbers of this package alone.
    ended = subprocess.run(  # noqa: S603
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=duration_s + 60,
        check=False,
    )
    used_s = proxy.process.cpu_s() - before_s
    if ended.returncode != 0:
        raise BenchError(f"wrk failed against {proxy.name}: {ended.stderr.strip()}")
    report = json.loads(ended.stdout.strip().splitlines()[-1])
    if report["refused"] or report["broken"] or not report["requests"]:
        raise BenchError(
            f"{proxy.name} did not answer every request with a success: {report['requests']} "
            f"answers, {report['refused']} of them refusals, {report['broken']} broken off"
        )
    requests = report["requests"]
    return Load(requests, requests / report["duration_s"], used_s / requests * 1e6)
