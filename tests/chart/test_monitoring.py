"""Annotations, PodMonitor, PrometheusRule and dashboard, from the one copy in the chart."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scripts.chart.render import CHART, Document, cases, documents, render
from tests.chart.blocks import LEAST, Values, with_block

RULES = CHART / "files/rules.yaml"


def made(values: Values, kind: str) -> list[Document]:
    return [each for each in documents(render(values)) if each["kind"] == kind]


def test_the_pods_are_found_by_their_annotations() -> None:
    (deployment,) = made(LEAST, "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == "15020"
    assert annotations["prometheus.io/path"] == "/metrics"


def test_without_the_operator_nothing_of_it_is_made() -> None:
    kinds = {each["apiVersion"] for each in documents(render(LEAST))}
    assert "monitoring.coreos.com/v1" not in kinds


def test_the_operator_scrapes_each_pods_admin_port() -> None:
    (monitor,) = made(with_block("the operator"), "PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["podMetricsEndpoints"] == [
        {
            "port": "sidecar-admin",
            "path": "/metrics",
            "interval": "30s",
            "relabelings": [
                {"action": "replace", "targetLabel": "fleet", "replacement": "production"}
            ],
        }
    ]
    assert monitor["spec"].keys() == {"selector", "podMetricsEndpoints"}


def test_the_rules_are_those_of_the_file() -> None:
    (rule,) = made(cases()["everything"], "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())


def test_runbooks_are_where_the_values_say() -> None:
    (rule,) = made(cases()["monitoring"], "PrometheusRule")
    alerts = [
        each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each
    ]
    for alert in alerts:
        url = alert["annotations"]["runbook_url"]
        assert url == f"https://wiki.example/sidecar/docs/runbooks/{alert['alert']}.md"


def test_the_planned_age_of_a_key_is_what_the_values_say() -> None:
    (rule,) = made(cases()["monitoring"], "PrometheusRule")
    assert "7776000" in json.dumps(rule)
    assert "10368000" not in json.dumps(rule)
    assert RULES.read_text().count("10368000") == 1


@pytest.mark.needs_tool("promtool")
@pytest.mark.parametrize("case", ["monitoring", "everything"])
def test_prometheus_accepts_the_rendered_rules(
    case: str, tmp_path: Path, tool_path: Callable[[str], Path]
) -> None:
    (rule,) = made(cases()[case], "PrometheusRule")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    done = subprocess.run(
        [tool_path("promtool"), "check", "rules", "--lint-fatal", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_the_file_and_is_found_by_its_label() -> None:
    dashboard = CHART / "files/dashboard.json"
    found = [
        each
        for each in made(with_block("the operator"), "ConfigMap")
        if "sidecar.json" in each["data"]
    ]
    assert len(found) == dashboard.exists()
    for each in found:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(each["data"]["sidecar.json"]) == json.loads(dashboard.read_text())
