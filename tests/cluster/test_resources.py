"""What the sidecar costs under a steady hundred requests a second."""

import sys
import time

import yaml

from tests.cluster.kubernetes import CHART
from tests.cluster.reference import THOUGHTS_URL, Reference
from tests.cluster.release import Release

_MEASURED_S = 10.0
_PER_SECOND = 100
#: What the container's cgroup says, in version 2 of cgroups, else in version 1.
_READ = """
from pathlib import Path
root = Path("/sys/fs/cgroup")
if (root / "memory.current").exists():
    used, statistics = root / "memory.current", root / "memory.stat"
    cpu = (root / "cpu.stat").read_text().split()
    cpu_s = int(cpu[cpu.index("usage_usec") + 1]) / 1e6
    idle = "inactive_file"
else:
    used, statistics = root / "memory/memory.usage_in_bytes", root / "memory/memory.stat"
    cpu_s = int((root / "cpuacct/cpuacct.usage").read_text()) / 1e9
    idle = "total_inactive_file"
words = statistics.read_text().split()
print(int(used.read_text()) - int(words[words.index(idle) + 1]), cpu_s)
"""


def test_the_sidecar_stays_within_its_requests(reference: Reference) -> None:
    requests = yaml.safe_load((CHART / "values.yaml").read_text())["sidecar"]["resources"][
        "requests"
    ]
    memory_allowed = int(requests["memory"].removesuffix("Mi")) * 1024 * 1024
    cpu_allowed = int(requests["cpu"].removesuffix("m")) / 1000
    pods = reference.thoughts.pod_names()
    reference.thoughts.namespace.kubectl(
        "scale", "deployment", reference.thoughts.name, "--replicas=1"
    )
    reference.thoughts.wait_until_settled(1)
    (pod,) = reference.thoughts.pod_names()
    _, cpu_before = _usage(reference.thoughts, pod)
    served_before, began = _served(reference), time.monotonic()

    time.sleep(_MEASURED_S)

    memory, cpu = _usage(reference.thoughts, pod)
    took_s = time.monotonic() - began
    per_second = (_served(reference) - served_before) / took_s
    # A machine with other work may let fewer through.
    cores = (cpu - cpu_before) / took_s * _PER_SECOND / per_second
    figures = f"{memory / 2**20:.1f} MiB, {cores * 1000:.0f} m of a core at {_PER_SECOND}/s"
    sys.stdout.write(figures)  # shown with -rP
    reference.thoughts.namespace.kubectl(
        "scale", "deployment", reference.thoughts.name, f"--replicas={len(pods)}"
    )
    reference.thoughts.wait_until_settled(len(pods))
    assert memory < memory_allowed, figures
    assert cores < cpu_allowed, figures


def _served(reference: Reference) -> int:
    return int(reference.client.counts()["answered"][THOUGHTS_URL])


def _usage(release: Release, pod: str) -> tuple[int, float]:
    """Bytes that cannot be given back, and seconds of a core."""
    memory, cpu_s = release.namespace.execute(
        pod, "python", "-c", _READ, container="sidecar"
    ).split()
    return int(memory), float(cpu_s)
