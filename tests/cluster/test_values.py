"""The API server takes every set of values that the chart is tried with, and warns of nothing."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.kubernetes import CHART, Document, run, wait_until
from tests.cluster.reference import Reference
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


@pytest.mark.usefixtures("_monitoring_kinds")
@pytest.mark.parametrize(
    "values", sorted(CHART.glob("ci/*-values.yaml")), ids=lambda path: path.stem
)
def test_values_are_accepted_without_a_warning(
    values: Path, reference: Reference, transparent: Callable[[], System]
) -> None:
    rendered = reference.thoughts.helm("template", "trial", str(CHART), f"--values={values}")
    needs_right = "NET_ADMIN" in rendered
    namespace = (transparent() if needs_right else reference.system).namespace.name
    # Each resource is in the namespace that it was rendered for.
    rendered = rendered.replace(reference.system.namespace.name, namespace)

    done = subprocess.run(
        ["kubectl", f"--namespace={namespace}", "apply", "--dry-run=server", "--filename=-"],
        input=rendered,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
