"""The application's calls as metrics: closed sets of labels, whatever is answered."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.metrics.outbound import MAX_VERSIONS, OTHER, OutboundTraffic
from sidecar.metrics.registry import build_registry


class Meter:
    bytes_to_application = 3
    bytes_to_client = 5


def build() -> OutboundTraffic:
    return OutboundTraffic(["users"], is_on=True)


def test_nothing_is_said_where_no_calls_are_redirected() -> None:
    assert list(OutboundTraffic(["users"], is_on=False).collect()) == []


def test_bytes_are_counted_while_they_pass_and_once() -> None:
    traffic, meter = build(), Meter()
    registry = build_registry([traffic])
    for _ in range(2):
        traffic.carry(meter)
        out = registry.get_sample_value("sidecar_outbound_bytes_total", {"direction": "out"})
        assert out == 3
    traffic.carried(meter, "http")
    into = registry.get_sample_value("sidecar_outbound_bytes_total", {"direction": "in"})
    assert into == 5
    protocol = {"protocol": "http"}
    assert registry.get_sample_value("sidecar_outbound_connections_total", protocol) == 1


def test_the_versions_that_answered_last_are_kept() -> None:
    traffic = build()
    registry = build_registry([traffic])
    for number in range(MAX_VERSIONS + 1):
        traffic.observe("users", b"v1.%d" % number, float(number))
        traffic.observe("users", b"v1.1", float(number) + 0.5)

    def at(version: str) -> float | None:
        labels = {"dependency": "users", "version": version}
        return registry.get_sample_value("sidecar_dependency_observed_timestamp_seconds", labels)

    assert at("v1.0") is None
    assert at("v1.1") == MAX_VERSIONS + 0.5
    assert at(f"v1.{MAX_VERSIONS}") == MAX_VERSIONS


def test_an_answer_of_somebody_else_is_not_looked_at() -> None:
    traffic = build()
    traffic.observe(OTHER, b"v1", 1.0)
    families = {family.name: family for family in traffic.collect()}
    assert families["sidecar_dependency_observed"].samples == []


@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(-5, 1000)), max_size=60))
def test_no_answer_makes_labels_grow(answers: list[tuple[bytes, int]]) -> None:
    traffic = build()
    for number, (claimed, code) in enumerate(answers):
        traffic.observe("users", claimed, float(number))
        traffic.answered("users", code)
    for family in traffic.collect():
        if family.name.startswith("sidecar_dependency_observed"):
            assert len(family.samples) <= MAX_VERSIONS
        for sample in family.samples:
            assert all(value.isascii() for value in sample.labels.values())
