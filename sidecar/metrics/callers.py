"""Requests by the version of the service that called, as far as callers are known and say so.

A caller names itself in ``X-Client-Service`` and ``X-Client-Version``; nobody proves it, so this is
a count and never a permission. Only callers of the configuration are counted, and of each only so
many versions at a time: a client can spoil a count, not make the labels grow.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.errors import VersionError
from sidecar.versions.stamp import UNKNOWN
from sidecar.versions.version import parse_version

MAX_VERSIONS: Final = 32
#: A version that was not seen for so long makes room for a new one.
IDLE_S: Final = 3600.0
OTHER: Final = "other"


class Callers(Collector):
    """The counts; ``known`` are the names that are counted."""

    def __init__(self, known: Sequence[str]) -> None:
        # Of each caller, by version: how many requests, and when the last one came.
        self._seen: dict[bytes, dict[bytes, tuple[int, float]]] = {
            name.encode(): {} for name in known
        }

    @property
    def is_counting(self) -> bool:
        """Whether any caller is counted."""
        return bool(self._seen)

    def count(self, fields: Mapping[bytes, bytes], now: float) -> None:
        """One request, by its fields (lower-case names); ``now`` in unix seconds."""
        versions = self._seen.get(fields.get(b"x-client-service", b""))
        if versions is None:
            return
        claimed_version = fields.get(b"x-client-version", b"")
        if claimed_version not in versions:
            claimed_version = _label(versions, claimed_version, now)
        count, _ = versions.get(claimed_version, (0, 0.0))
        versions[claimed_version] = (count + 1, now)

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment; none where no caller is counted."""
        if not self._seen:
            return
        family = CounterMetricFamily(
            "sidecar_caller_requests",
            "Requests that were let in, by the service and version that the caller says it is.",
            labels=("caller", "version"),
        )
        for name, versions in self._seen.items():
            for version, (count, _) in versions.items():
                family.add_metric((name.decode(), version.decode()), count)
        yield family


def _label(versions: dict[bytes, tuple[int, float]], claimed: bytes, now: float) -> bytes:
    """The label that a version not seen before is counted under."""
    if not claimed:
        return UNKNOWN.encode()
    try:
        parse_version(claimed.decode("ascii"))
    except (UnicodeDecodeError, VersionError):
        return OTHER.encode()
    if len(versions) >= MAX_VERSIONS:
        longest_idle = min(versions, key=lambda version: versions[version][1])
        if now - versions[longest_idle][1] < IDLE_S:
            return OTHER.encode()
        del versions[longest_idle]
    return claimed
