"""The metrics of key sources."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from sidecar.metrics.sources import KeySources


@dataclass
class Source:
    name: str
    is_up: bool
    last_success_at: float | None


def test_each_source_has_its_state_and_its_last_success() -> None:
    sources = [Source("/keys", True, 5.0), Source("https://issuer.example", False, None)]
    registry = CollectorRegistry(auto_describe=True)
    registry.register(KeySources(lambda: sources))

    def value(name: str, source: str) -> float | None:
        return registry.get_sample_value(f"sidecar_key_source_{name}", {"source": source})

    assert value("up", "/keys") == 1
    assert value("last_success_timestamp_seconds", "/keys") == 5
    assert value("up", "https://issuer.example") == 0
    assert value("last_success_timestamp_seconds", "https://issuer.example") == 0
