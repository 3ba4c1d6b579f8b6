"""The machine that the figures belong to: its cores, who gets which, and what to call it."""

import os
import platform
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchError

_OPEN_FILES = 8192
_TIMER_SLACK = Path("/proc/self/timerslack_ns")


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the proxy that is measured, the others for everything around it."""

    proxy: int
    load: frozenset[int]

    @property
    def every(self) -> frozenset[int]:
        return self.load | {self.proxy}


def divide_cores() -> Cores:
    """The first core for the proxies, the rest for the load; BenchError where there is one."""
    if sys.platform != "linux":
        raise BenchError("the benchmarks read /proc and pin processes to cores: they need Linux")
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise BenchError("the benchmarks need two cores: one for the proxy, one for the load")
    return Cores(first, frozenset(others))


def settle(cores: Cores) -> None:
    """Put this process, which is a load generator, on the load's cores; children are put there too.

    It may open thousands of connections, and its timers are to be punctual: the kernel lets them be
    50 us late where nothing else is said (prctl(2), PR_SET_TIMERSLACK).
    """
    os.sched_setaffinity(0, cores.load)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    _TIMER_SLACK.write_text("1")


def describe_machine() -> dict[str, str]:
    """What a reader needs to know about the machine, and nothing that tells whose it is."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load_before": f"{os.getloadavg()[0]:.2f}",
    }
