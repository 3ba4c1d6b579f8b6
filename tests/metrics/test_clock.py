"""The metric of this replica's clock."""

from prometheus_client import CollectorRegistry

from sidecar.metrics.clock import Clock


def test_the_clock_is_read_anew_for_every_scrape() -> None:
    moments = iter((1.0, 100.0, 200.0))  # registering reads it once
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Clock(lambda: next(moments)))

    assert registry.get_sample_value("sidecar_clock_timestamp_seconds") == 100
    assert registry.get_sample_value("sidecar_clock_timestamp_seconds") == 200
