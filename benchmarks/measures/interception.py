"""What it costs that the kernel redirects, and how fast bytes of opaque ports are copied.

Needs to be root, and nft: all of it happens in a network namespace of its own, in a process of its
own (``benchmarks.redirected``), so that no rule touches the machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.errors import BenchError
from benchmarks.processes import pinned
from benchmarks.programs import find_program
from benchmarks.samples import Sample


def measure_interception(bench: Bench) -> Iterator[Sample]:
    """Requests a second intercepted and addressed directly; bytes a second beside HAProxy's."""
    amounts = bench.amounts
    missing = [name for name in ("nft", "setpriv", "unshare") if find_program(name) is None]
    if missing:
        raise BenchError(f"interception is not measured without {' and '.join(missing)}")
    if os.geteuid() != 0:
        raise BenchError("interception is measured in a network namespace, which needs root")
    numbers = map(str, (amounts.rounds, amounts.seconds, amounts.stream_bytes))
    command = ["unshare", "--net", sys.executable, "-m", "benchmarks.redirected", *numbers]
    # The arguments are numbers of this package alone.
    ended = subprocess.run(  # noqa: S603
        pinned(bench.cores.every, command),
        stdout=subprocess.PIPE,
        text=True,
        timeout=120 + amounts.rounds * (amounts.seconds * 4 + amounts.stream_bytes / (100 << 20)),
        check=False,
    )
    if ended.returncode != 0:
        raise BenchError("interception could not be measured: see above")
    for line in ended.stdout.splitlines():
        yield Sample(**json.loads(line))
