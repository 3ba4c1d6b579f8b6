"""The metrics of the limits that are configured."""

from prometheus_client import CollectorRegistry

from sidecar.metrics.limits import Limits


def test_the_limits_stand_beside_what_they_limit() -> None:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(Limits(connections=10_000, in_flight=0))

    assert registry.get_sample_value("sidecar_connections_limit") == 10_000
    assert registry.get_sample_value("sidecar_requests_in_flight_limit") == 0
