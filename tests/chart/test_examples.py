"""What is there to be copied works: the example charts and values, the manifests without Helm."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.chart.derived import MANIFESTS
from scripts.chart.render import CHART, EXAMPLES, ROOT, Document, documents, render
from sidecar.config.load import load_settings
from tests.chart.blocks import Values
from tests.chart.strict import problems_of


@pytest.fixture
def own_chart(tmp_path: Path) -> Path:
    """The example of a chart of one's own, with its dependency in place."""
    chart = tmp_path / "own-chart"
    shutil.copytree(EXAMPLES / "own-chart", chart)
    shutil.copytree(CHART, chart / "charts/sidecar")
    return chart


def objects(chart: Path, minor: int, **values: Any) -> list[Document]:
    version = {"sidecar": {"kubeVersion": f"v1.{minor}.0", **values}}
    return documents(render(version, name="thoughts", chart=chart))


def of_kind(found: list[Document], kind: str) -> Document:
    (document,) = (each for each in found if each["kind"] == kind)
    return document


INTERCEPTED: Values = {"interception": {"enabled": True}}


@pytest.mark.parametrize("values", [{}, INTERCEPTED], ids=["plain", "intercepted"])
@pytest.mark.parametrize("minor", [25, 28, 29, 37])
def test_a_chart_of_ones_own_takes_the_pieces(own_chart: Path, minor: int, values: Values) -> None:
    found = objects(own_chart, minor, **values)
    assert [problem for each in found for problem in problems_of(each, minor)] == []


@pytest.mark.parametrize(("minor", "order"), [(28, ["sidecar", "thoughts-backend"]), (29, None)])
def test_its_pods_start_and_end_like_the_charts_own(
    own_chart: Path, minor: int, order: list[str] | None
) -> None:
    spec = of_kind(objects(own_chart, minor), "Deployment")["spec"]["template"]["spec"]
    assert [each["name"] for each in spec["containers"]] == (order or ["thoughts-backend"])
    assert bool(spec["initContainers"]) == (order is None)
    assert spec["terminationGracePeriodSeconds"] == 40
    assert spec["containers"][-1]["readinessProbe"]["httpGet"]["port"] == 15006


def test_its_service_leads_to_the_sidecar_with_interception_too(own_chart: Path) -> None:
    def target(**values: Any) -> Any:
        (service,) = (
            each
            for each in objects(own_chart, 34, **values)
            if each["kind"] == "Service" and each["metadata"]["name"] == "thoughts"
        )
        return service["spec"]["ports"][0]["targetPort"]

    assert target() == 15006
    assert target(**INTERCEPTED) == 15006


def test_its_configuration_is_one_that_the_sidecar_takes(own_chart: Path, tmp_path: Path) -> None:
    config = of_kind(objects(own_chart, 34), "ConfigMap")
    assert config["metadata"]["name"] == "thoughts-sidecar"
    file = tmp_path / "sidecar.yaml"
    file.write_text(config["data"]["sidecar.yaml"])
    assert load_settings({}, {}, file).settings.service == "thoughts-backend"


def test_its_dependency_is_this_chart() -> None:
    (dependency,) = yaml.safe_load((EXAMPLES / "own-chart/Chart.yaml").read_text())["dependencies"]
    place = EXAMPLES / "own-chart" / dependency["repository"].removeprefix("file://")
    chart = yaml.safe_load((place / "Chart.yaml").read_text())
    assert place.resolve() == CHART
    assert (dependency["name"], dependency["version"]) == (chart["name"], chart["version"])


@pytest.mark.parametrize(
    "path", sorted(MANIFESTS.glob("sidecar*.yaml")), ids=lambda path: path.name
)
def test_the_manifests_without_helm_are_whole_and_do_not_speak_of_it(path: Path) -> None:
    found = [each for each in yaml.safe_load_all(path.read_text()) if each]
    assert [problem for each in found for problem in problems_of(each, 37)] == []
    assert "helm.sh" not in path.read_text()
    assert "Helm" not in path.read_text().partition("apiVersion")[2]


@pytest.mark.needs_tool("promtool")
def test_prometheus_accepts_the_scrape_configuration(
    tool_path: Callable[[str], Path], tmp_path: Path
) -> None:
    """All of it but the discovery, which Debian's promtool was built without."""
    text = (EXAMPLES / "prometheus.yaml").read_text()
    discovery = "kubernetes_sd_configs: [{role: pod}]"
    assert discovery in text
    file = tmp_path / "prometheus.yaml"
    file.write_text(text.replace(discovery, "static_configs: []"))
    done = subprocess.run(
        [tool_path("promtool"), "check", "config", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scrape_configuration_looks_for_what_the_chart_writes() -> None:
    (job,) = yaml.safe_load((EXAMPLES / "prometheus.yaml").read_text())["scrape_configs"]
    text = str(job)
    assert "__meta_kubernetes_pod_annotation_prometheus_io_scrape" in text
    assert "sidecar-admin" in text
    assert "sidecar-admin" in (ROOT / "tests/chart/golden/minimal.yaml").read_text()
