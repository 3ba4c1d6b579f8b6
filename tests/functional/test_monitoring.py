"""A real sidecar's metrics are what Prometheus, the rules for it and the dashboard expect."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.functional.application import Application
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH
from tests.monitoring.dashboard import QUERIES

# There only where the application and its image both say a version.
SOMETIMES = {"sidecar_service_version_verified"}
ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "helm" / "sidecar" / "files" / "rules.yaml"
METRICS_PAGE = ROOT / "docs" / "metrics.md"


@pytest.fixture
def exposition(launch: Launch, application: Application, signer: Signer, keyring: Path) -> str:
    """The metrics of a sidecar that has something of everything."""
    signer.publish(keyring)
    dependency = {"url": f"{application.url}/version", "min": "v1", "gate": "never"}
    sidecar = launch(
        {"auth": AUTH, "shutdown": AT_ONCE, "dependencies": {"other": dependency}},
        application=application,
        keyring=keyring,
    )
    return sidecar.admin("/metrics").body.decode()


@pytest.mark.needs_tool("promtool")
def test_promtool_has_nothing_to_say_against_the_metrics(exposition: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_sidecar_has_every_metric_that_rules_and_dashboard_ask_for(exposition: str) -> None:
    exported = set(re.findall(r"^(?:# TYPE )?(sidecar_\w+)", exposition, re.MULTILINE))
    expressions = [
        rule["expr"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    ]
    expressions += QUERIES.values()
    asked = {
        name
        for expression in expressions
        # What stands before or after a colon is the name of a recording rule.
        for name in re.findall(r"(?<![\w:])sidecar_\w+\b(?!:)", expression)
    }
    assert asked
    assert asked - exported - SOMETIMES == set()


def test_every_metric_of_a_sidecar_stands_in_the_reference(exposition: str) -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", exposition, re.MULTILINE))
    known = set(re.findall(r"^\| `(\w+)` ", METRICS_PAGE.read_text(), re.MULTILINE))
    assert exported
    assert exported - known == set()
