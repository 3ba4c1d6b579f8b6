"""The rules for Prometheus: sound, each alert shown to fire and not to fire, each with its page."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "helm" / "sidecar" / "files" / "rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
METRICS_PAGE = ROOT / "docs" / "metrics.md"
SUITES = sorted(Path(__file__).parent.glob("*.test.yaml"))
SEVERITIES = {"critical", "warning", "info"}

GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_runbooks_ask_only_for_metrics_that_there_are(page: Path) -> None:
    known = set(re.findall(r"^\| `(\w+)` ", METRICS_PAGE.read_text(), re.MULTILINE))
    recorded = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
    named = re.findall(r"(?<![\w:-])(?:[a-z_]+:)?sidecar_[a-z_]+(?::\w+)?", page.read_text())
    named = [re.sub(r"_(bucket|sum|count)$", "", name) for name in named]
    assert set(named) - known - recorded == set()
