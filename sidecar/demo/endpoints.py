"""Which replicas of each service take requests: a file that plays the part of Kubernetes' Services.

Whoever runs the pods writes it; whoever calls a service reads it, and takes its replicas in turn.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_endpoints(path: Path, urls: Mapping[str, Sequence[str]]) -> None:
    """Name the replicas of every service; who reads sees the old list or the new one."""
    arriving = path.with_suffix(".arriving")
    arriving.write_text(json.dumps({service: list(each) for service, each in urls.items()}))
    arriving.rename(path)


class Endpoints:
    """The file, read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._urls: dict[str, list[str]] = {}
        self._turns: dict[str, int] = {}

    def of(self, service: str) -> list[str]:
        """The replicas of a service; the first is another one each time."""
        status = os.stat(self._path)  # noqa: PTH116 - asked at every call
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._urls = json.loads(self._path.read_text())
            self._seen = seen
        urls = self._urls.get(service, [])
        turn = self._turns[service] = self._turns.get(service, -1) + 1
        start = turn % len(urls) if urls else 0
        return urls[start:] + urls[:start]
