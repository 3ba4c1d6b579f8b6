"""A Prometheus of the field finds every sidecar through the API server, to its last word."""

import pytest
import yaml

from tests.cluster.kubernetes import CHART, wait_until
from tests.cluster.reference import REPLICAS, Reference
from tests.cluster.scraping import Prometheus


@pytest.fixture(scope="module")
def prometheus(reference: Reference, prometheus_image: str) -> Prometheus:
    prometheus = Prometheus(reference.system.namespace, prometheus_image)
    prometheus.start()
    return prometheus


def test_every_replica_is_scraped_and_nothing_else(
    prometheus: Prometheus, reference: Reference
) -> None:
    replicas = {name for release in reference.releases for name in release.pod_names()}

    wait_until("every replica is scraped", lambda: prometheus.pods("up == 1") == replicas)
    assert len(prometheus.query("up")) == len(replicas)
    assert len(prometheus.query('sidecar_service_info{service="thoughts-backend"}')) == REPLICAS


def test_the_rules_are_loaded_and_well(prometheus: Prometheus) -> None:
    groups = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"]
    written = sum(len(group["rules"]) for group in groups)

    wait_until(
        "every rule was evaluated",
        lambda: [rule["health"] for rule in prometheus.rules()] == ["ok"] * written,
    )


def test_the_last_word_of_each_ended_signer_is_heard(
    prometheus: Prometheus, reference: Reference
) -> None:
    ended = set(reference.users.pod_names())
    wait_until("each is known", lambda: ended <= prometheus.pods("up == 1"))

    reference.users.upgrade({"pod": {"annotations": {"example.com/rolled": "again"}}})
    reference.users.wait_until_settled(2)

    last_word = "max_over_time(sidecar_issuing_ended_timestamp_seconds[15m]) > 0"
    assert ended <= prometheus.pods(last_word)
