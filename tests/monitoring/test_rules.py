"""The rules for Prometheus: sound, each alert shown to fire and not to fire, each with its page."""

import json
import re
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from sidecar.cli.main import sidecar
from sidecar.errors import UNREADABLE_REASONS
from sidecar.metrics.traffic import UPSTREAM_REASONS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "helm" / "sidecar" / "files" / "rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
METRICS_PAGE = ROOT / "docs" / "metrics.md"
MANUAL = ROOT / "docs" / "monitoring.md"
PAGES = [*sorted(RUNBOOKS.glob("*.md")), MANUAL]
SUITES = sorted(Path(__file__).parent.glob("*.test.yaml"))
SEVERITIES = {"critical", "warning", "info"}

GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs_tool("promtool")
def test_prometheus_accepts_the_rules() -> None:
    promtool("check", "rules", str(RULES))


@pytest.mark.needs_tool("promtool")
@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_the_rules_say_what_they_should_of_series_made_for_them(suite: Path) -> None:
    promtool("test", "rules", str(suite))


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_shown_to_fire_and_not_to_fire(alert: str) -> None:
    shown = [
        bool(case["exp_alerts"])
        for suite in SUITES
        for test in yaml.safe_load(suite.read_text())["tests"]
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == alert
    ]
    assert True in shown
    assert False in shown


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"].endswith(f"docs/runbooks/{alert}.md")
    assert (RUNBOOKS / f"{alert}.md").read_text().startswith(f"# {alert}\n")


def test_each_runbook_belongs_to_an_alert_and_stands_in_the_list() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALERTS)
    assert set(re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())) == pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_ask_only_for_metrics_that_there_are(page: Path) -> None:
    known = set(re.findall(r"^\| `(\w+)` ", METRICS_PAGE.read_text(), re.MULTILINE))
    recorded = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
    named = re.findall(r"(?<![\w:-])(?:[a-z_]+:)?sidecar_[a-z_]+(?::\w+)?", page.read_text())
    named = [re.sub(r"_(bucket|sum|count)$", "", name) for name in named]
    assert set(named) - known - recorded == set()


@pytest.mark.parametrize(
    ("page", "reasons"),
    [
        ("SidecarIssuingUnwatched", UNREADABLE_REASONS),
        ("SidecarUpstreamErrors", set(UPSTREAM_REASONS) - {"upstream_error"}),
    ],
)
def test_a_runbook_that_explains_reasons_explains_all_of_them(
    page: str, reasons: Collection[str]
) -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", (RUNBOOKS / f"{page}.md").read_text(), re.MULTILINE)
    assert {word for row in rows for word in re.findall(r"`(\w+)`", row)} == set(reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_names_is_one_of_the_program(page: Path) -> None:
    for words in re.findall(r"(?:`|\$ |-- )sidecar ([a-z]+(?: [a-z]+)?)", page.read_text()):
        command: click.Command = sidecar
        for word in words.split():
            if isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found, f"sidecar {words}"
                command = found


@pytest.mark.needs_tool("promtool")
def test_the_scrape_configuration_of_the_manual_keeps_sidecars_and_nothing_else(
    tmp_path: Path,
) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    configuration = yaml.safe_load(block)
    configuration["rule_files"] = [str(RULES)]
    (job,) = configuration["scrape_configs"]
    # Debian's Prometheus cannot ask Kubernetes; it is told what Kubernetes would say.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    sidecar_port = {
        "pod_annotation_prometheus_io_scrape": "true",
        "pod_container_port_name": "sidecar-admin",
        "pod_phase": "Running",
        "namespace": "shop",
        "pod_name": "users-0",
    }
    pods = {
        "10.0.0.1:15020": {},
        "10.0.0.1:15006": {"pod_container_port_name": "sidecar"},
        "10.0.0.2:15020": {"pod_annotation_prometheus_io_scrape": "false"},
        "10.0.0.3:15020": {"pod_phase": "Succeeded"},
    }
    job["static_configs"] = [
        {
            "targets": [address],
            "labels": {
                f"__meta_kubernetes_{name}": value for name, value in (sidecar_port | more).items()
            },
        }
        for address, more in pods.items()
    ]
    file = tmp_path / "prometheus.json"  # JSON is YAML
    file.write_text(json.dumps(configuration))
    promtool("check", "config", str(file))
    found = json.loads(
        promtool("check", "service-discovery", "--timeout=2s", str(file), "sidecars")
    )
    kept = [target["labels"] for target in found if target["labels"]]
    shown = [
        {name: value for name, value in labels.items() if not name.startswith("__")}
        for labels in kept
    ]
    assert shown == [
        {
            "instance": "10.0.0.1:15020",
            "job": "sidecars",
            "namespace": "shop",
            "pod": "users-0",
        }
    ]
