"""The API server takes every set of values that the chart is tried with, and warns of nothing."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from scripts.chart.derived import MANIFESTS
from scripts.chart.render import EXAMPLES, cases, examples
from tests.chart.blocks import BLOCKS, Values, with_block
from tests.cluster.kubernetes import CHART, Document, Namespace, run, wait_until
from tests.cluster.system import System

_KINDS = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}


def _definition(kind: str, plural: str) -> Document:
    """The Prometheus operator's resource, of any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@pytest.fixture(scope="module")
def _monitoring_kinds() -> Iterator[None]:
    """The kinds of the Prometheus operator, for as long as no operator has brought its own."""
    made: list[str] = []
    for kind, plural in _KINDS.items():
        definition = _definition(kind, plural)
        name = definition["metadata"]["name"]
        if not run(["kubectl", "get", "crd", name, "--ignore-not-found"]):
            run(["kubectl", "create", "--filename=-"], text=json.dumps(definition))
            made.append(name)
    group = "/apis/monitoring.coreos.com/v1"
    wait_until("the kinds are served", lambda: "Rule" in run(["kubectl", "get", "--raw", group]))
    yield
    if made:
        run(["kubectl", "delete", "crd", *made])


@pytest.fixture(scope="module")
def places(make_system: Callable[[str, str], System]) -> tuple[Namespace, Namespace]:
    """Where nobody has a right, and where interception may have its one."""
    with ThreadPoolExecutor() as pool:
        made = pool.map(make_system, ("plain", "rights"), ("restricted", "privileged"))
    plain, rights = (system.namespace for system in made)
    return plain, rights


def _render(name: str, values: Values) -> str:
    """What Helm makes of them, in a release of that name; it has to find nothing to complain of."""
    text = yaml.safe_dump(values)
    linted = run(["helm", "lint", "--strict", str(CHART), "--values=-"], text=text)
    assert "[WARNING]" not in linted, f"{name}: {linted}"
    return run(
        ["helm", "template", name, str(CHART), "--namespace=NAMESPACE", "--values=-"], text=text
    )


def _is_accepted(texts: list[str], namespace: Namespace) -> None:
    """Every object of them, by the API server, without a warning."""
    objects = "---\n".join(texts).replace("NAMESPACE", namespace.name)
    arguments = ["apply", "--dry-run=server", "--filename=-"]
    done = subprocess.run(
        ["kubectl", f"--namespace={namespace.name}", *arguments],
        input=objects,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = len(re.findall(r"(?m)^kind: ", objects))
    assert done.stdout.count("(server dry run)") == written > 0


@pytest.mark.usefixtures("_monitoring_kinds")
def test_every_case_and_every_block_is_accepted_without_a_warning(
    places: tuple[Namespace, Namespace],
) -> None:
    blocks = {f"block {name}": with_block(name) for name in BLOCKS}
    # The cluster has addresses of its own.
    blocks["block a node's port"]["service"]["clusterIP"] = ""
    named = {
        re.sub(r"[^a-z0-9]+", "-", name.lower()): values
        for name, values in {**cases(), **examples(), **blocks}.items()
    }
    with ThreadPoolExecutor(4) as pool:
        rendered = list(pool.map(_render, named, named.values()))
    plain, rights = places

    _is_accepted([text for text in rendered if "NET_ADMIN" not in text], plain)
    _is_accepted([text for text in rendered if "NET_ADMIN" in text], rights)


def test_the_manifests_without_helm_are_accepted(places: tuple[Namespace, Namespace]) -> None:
    for name, namespace in zip(("sidecar", "sidecar-interception"), places, strict=True):
        _is_accepted([(MANIFESTS / f"{name}.yaml").read_text()], namespace)


def test_a_chart_of_ones_own_is_accepted(
    places: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    deploy = tmp_path / "deploy"
    shutil.copytree(CHART, deploy / "helm" / "sidecar")
    own = deploy / "examples" / "own-chart"
    shutil.copytree(EXAMPLES / "own-chart", own)
    run(["helm", "dependency", "build", str(own)])

    _is_accepted([run(["helm", "template", "own", str(own), "--namespace=NAMESPACE"])], places[0])
