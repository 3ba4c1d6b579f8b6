"""How the sources of keys are doing, as metrics.

The label is the source's configured name without its query: a closed set. It reads at scrape time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Status(Protocol):
    """What the metrics read of one source."""

    @property
    def name(self) -> str: ...
    @property
    def is_up(self) -> bool: ...
    @property
    def last_success_at(self) -> float | None: ...


@dataclass(eq=False, slots=True)
class KeySources(Collector):
    """The collector; ``observe`` gives the status of each source."""

    observe: Callable[[], Sequence[Status]]

    def collect(self) -> Iterator[Metric]:
        """The samples of this moment."""
        up = GaugeMetricFamily(
            "sidecar_key_source_up",
            "Whether the source of keys could be read when it was last asked.",
            labels=("source",),
        )
        last_success = GaugeMetricFamily(
            "sidecar_key_source_last_success_timestamp_seconds",
            "When the source of keys was last read well; 0 = never.",
            labels=("source",),
        )
        for status in self.observe():
            up.add_metric((status.name,), float(status.is_up))
            last_success.add_metric((status.name,), status.last_success_at or 0)
        yield from (up, last_success)
