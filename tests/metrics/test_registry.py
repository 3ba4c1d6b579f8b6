"""The exposition is valid for both formats' own parsers, and the reader chooses which it gets."""

import re

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from sidecar.metrics.registry import build_registry, expose
from sidecar.metrics.service import ServiceInfo
from sidecar.metrics.tokens import Tokens
from sidecar.metrics.traffic import Traffic
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy
from sidecar.tokens.keyring import Key, Keyring
from sidecar.versions.stamp import ServiceVersion
from sidecar.versions.statement import Statement

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

CONTRACT = """
    sidecar_tokens_accepted_total sidecar_tokens_rejected_total sidecar_key_live_tokens
    sidecar_key_last_used_timestamp_seconds sidecar_key_last_issued_timestamp_seconds
    sidecar_key_latest_expiry_timestamp_seconds sidecar_key_retirable
    sidecar_key_signing_since_timestamp_seconds sidecar_switch_enforced
    sidecar_token_max_lifetime_seconds sidecar_token_leeway_seconds sidecar_key_info
    sidecar_keyring_info sidecar_keyring_reloads_total
    sidecar_keyring_last_success_timestamp_seconds sidecar_observing_since_timestamp_seconds
    sidecar_requests_total sidecar_request_duration_seconds_bucket
    sidecar_upstream_duration_seconds_bucket sidecar_requests_in_flight sidecar_connections_open
    sidecar_upstream_errors_total sidecar_service_info sidecar_service_version_known
    sidecar_build_info process_resident_memory_bytes
""".split()


STAMP = ServiceVersion("v1.6", "0" * 40)


class Store:
    """A key store whose key has a hostile name."""

    current = Keyring(
        [
            Key('a"\\\n', ("ES256",), object(), "print", "/k/\N{SNOWMAN}"),
            Key("b", ("RS256",), object(), "p", "s"),
        ]
    )
    last_success_at = 1.0
    reloads: dict[str, int] = {}  # noqa: RUF012


@pytest.fixture
def registry() -> CollectorRegistry:
    traffic = Traffic()
    traffic.record("GET", 200, 0.01, 0.009)
    ledger = Ledger(observing_since=1.0, leeway_s=30)
    ledger.usage('a"\\\n').has_unbounded = True
    policy = Policy(is_switch_enforced=False, max_lifetime_s=0, leeway_s=30)
    return build_registry(
        [
            traffic,
            Tokens(ledger, Store(), policy, True, lambda: 100.0),
            ServiceInfo("thoughts", lambda: Statement(STAMP), "0.1.0"),
        ]
    )


def test_the_text_format_is_valid_and_holds_the_whole_contract(
    registry: CollectorRegistry,
) -> None:
    body, media_type = expose(registry, "*/*")
    assert media_type.startswith("text/plain; version=0.0.4")
    samples = {s.name for family in parse_text(body.decode()) for s in family.samples}
    assert set(CONTRACT) <= samples


def test_openmetrics_is_valid_and_holds_the_whole_contract(registry: CollectorRegistry) -> None:
    body, media_type = expose(registry, PROMETHEUS)
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    samples = {
        s.name
        for family in parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
        for s in family.samples
    }
    assert set(CONTRACT) <= samples


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.6", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=often;version=x", False),
        (",;,=;q", False),
    ],
)
def test_the_reader_chooses_the_format(
    registry: CollectorRegistry, accept: str, is_openmetrics: bool
) -> None:
    _, media_type = expose(registry, accept)
    assert media_type.startswith("application/openmetrics-text") == is_openmetrics


def test_names_follow_the_conventions(registry: CollectorRegistry) -> None:
    for metric in registry.collect():
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name)
        assert metric.documentation.endswith(".")
        assert not re.search(r"milliseconds|_ms$|_minutes|_kb$", metric.name)
        if metric.type == "gauge":
            assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))


def test_two_collectors_cannot_export_the_same_metric() -> None:
    class Impostor(Collector):
        def collect(self) -> list[Metric]:
            return [CounterMetricFamily("sidecar_requests", "Not ours.", value=1)]

    with pytest.raises(ValueError, match="sidecar_requests"):
        build_registry([Traffic(), Impostor()])


def test_two_registries_count_apart() -> None:
    one, other = Traffic(), Traffic()
    first, second = build_registry([one]), build_registry([other])
    one.record("GET", 200, 0.1, None)
    labels = {"method": "GET", "code": "200"}
    assert first.get_sample_value("sidecar_requests_total", labels) == 1
    assert second.get_sample_value("sidecar_requests_total", labels) is None
