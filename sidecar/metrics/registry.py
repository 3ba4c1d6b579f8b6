"""The sidecar's own registry, and the text in which Prometheus reads it.

Refuses process-global state: two sidecars in one process (tests) count apart. ``app.build`` makes
the registry, ``admin.routes`` answers ``/metrics`` with ``expose``.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import (
    CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_OPENMETRICS = "application/openmetrics-text"


def build_registry(collectors: Iterable[Collector]) -> CollectorRegistry:
    """A registry of these collectors and the process's own figures (memory, CPU, descriptors).

    Raises ValueError where two collectors export a metric of the same name.
    """
    registry = CollectorRegistry(auto_describe=True)
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The metrics and their media type: OpenMetrics where ``accept`` (RFC 9110, section 12.5.1)
    prefers it to plain text, else Prometheus' text format, which every reader understands."""
    if _prefers_openmetrics(accept):
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text, CONTENT_TYPE_OPENMETRICS
    return generate_text(registry), CONTENT_TYPE_PLAIN_0_0_4


def _prefers_openmetrics(accept: str) -> bool:
    openmetrics = text = 0.0
    for accepted in accept.lower().split(","):
        media_type, _, parameters = accepted.partition(";")
        if media_type.strip() == _OPENMETRICS:
            openmetrics = max(openmetrics, _quality(parameters))
        elif media_type.strip() == "text/plain":
            text = max(text, _quality(parameters))
    return openmetrics > 0.0 and openmetrics >= text


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
