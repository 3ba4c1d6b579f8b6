"""Traffic is counted under labels that no client chooses."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from sidecar.errors import UpstreamError
from sidecar.metrics.traffic import DURATION_BOUNDS_S, UPSTREAM_REASONS, Traffic


def value(traffic: Traffic, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(traffic)
    return registry.get_sample_value(name, labels)


def family(traffic: Traffic, name: str) -> Metric:
    return next(metric for metric in traffic.collect() if metric.name == name)


def test_requests_are_counted_by_method_and_code() -> None:
    traffic = Traffic()
    traffic.record("GET", 200, 0.01, 0.009)
    traffic.record("GET", 200, 0.01, 0.009)
    traffic.record("POST", 401, 0.001, None)
    assert value(traffic, "sidecar_requests_total", method="GET", code="200") == 2
    assert value(traffic, "sidecar_requests_total", method="POST", code="401") == 1


@pytest.mark.parametrize("method", ["get", "FROBNICATE", "", 'GET"} 1\n'])
def test_a_method_that_a_client_made_up_is_no_label(method: str) -> None:
    traffic = Traffic()
    traffic.record(method, 200, 0.01, None)
    assert value(traffic, "sidecar_requests_total", method="other", code="200") == 1
    assert len(family(traffic, "sidecar_requests").samples) == 1


@pytest.mark.parametrize("code", [0, 99, 600, 999, -1])
def test_a_code_outside_http_is_no_label(code: int) -> None:
    traffic = Traffic()
    traffic.record("GET", code, 0.01, None)
    assert value(traffic, "sidecar_requests_total", method="GET", code="other") == 1


def test_durations_fall_into_cumulative_buckets() -> None:
    traffic = Traffic()
    for duration_s in (0.0, 0.0005, 0.00051, 59.0, 61.0):
        traffic.record("GET", 200, duration_s, None)
    name = "sidecar_request_duration_seconds"
    assert value(traffic, f"{name}_bucket", le="0.0005") == 2
    assert value(traffic, f"{name}_bucket", le="0.001") == 3
    assert value(traffic, f"{name}_bucket", le="60.0") == 4
    assert value(traffic, f"{name}_bucket", le="+Inf") == 5
    assert value(traffic, f"{name}_count") == 5
    assert value(traffic, f"{name}_sum") == pytest.approx(120.00101)


def test_an_answer_of_our_own_says_nothing_about_the_application() -> None:
    traffic = Traffic()
    traffic.record("GET", 401, 0.01, None)
    assert value(traffic, "sidecar_upstream_duration_seconds_count") == 0
    traffic.record("GET", 200, 0.01, 0.002)
    assert value(traffic, "sidecar_upstream_duration_seconds_count") == 1


def test_every_upstream_failure_has_a_series_before_its_first_occurrence() -> None:
    errors: list[type[UpstreamError]] = [UpstreamError, *UpstreamError.__subclasses__()]
    reasons = {error.reason for error in errors}
    assert set(UPSTREAM_REASONS) == reasons
    for reason in reasons:
        assert value(Traffic(), "sidecar_upstream_errors_total", reason=reason) == 0


def test_an_upstream_failure_is_counted_by_its_reason() -> None:
    traffic = Traffic()
    traffic.upstream_error("upstream_timeout")
    traffic.upstream_error("never heard of")
    name = "sidecar_upstream_errors_total"
    assert value(traffic, name, reason="upstream_timeout") == 1
    assert value(traffic, name, reason="upstream_error") == 1
    assert value(traffic, name, reason="never heard of") is None


def test_what_is_open_now_is_shown() -> None:
    traffic = Traffic()
    traffic.in_flight, traffic.connections_open = 3, 7
    assert value(traffic, "sidecar_requests_in_flight") == 3
    assert value(traffic, "sidecar_connections_open") == 7


def test_the_bounds_reach_from_half_a_millisecond_to_a_minute_in_order() -> None:
    assert (DURATION_BOUNDS_S[0], DURATION_BOUNDS_S[-1]) == (0.0005, 60.0)
    assert list(DURATION_BOUNDS_S) == sorted(set(DURATION_BOUNDS_S))
