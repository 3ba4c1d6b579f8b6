"""The chart, rendered by Helm's own engine: values in, Kubernetes objects out.

Called by ``derived`` and by the tests of ``tests/chart``; nothing here asks a cluster.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/sidecar"
EXAMPLES = ROOT / "deploy/examples"

Document = dict[str, Any]


@lru_cache
def _chart(path: Path) -> helm_python.Chart:
    return helm_python.Chart.load(path)


def forget() -> None:
    """Read the charts again when they are used next."""
    _chart.cache_clear()


def render(
    values: Mapping[str, Any],
    *,
    name: str = "thoughts-backend",
    namespace: str = "thoughts",
    chart: Path = CHART,
) -> dict[str, str]:
    """The templates that say something, by path. Raises HelmError with Helm's words.

    The version of Kubernetes is that of ``kubeVersion``, where the values say one.
    """
    found = _chart(chart).render(dict(values), name=name, namespace=namespace)
    return {path: text for path, text in sorted(found.items()) if text.strip()}


def manifests(rendered: Mapping[str, str]) -> Iterator[str]:
    """The text of each Kubernetes object of a render, in its order."""
    for path, text in rendered.items():
        if path.endswith(".yaml"):
            parts = re.split(r"(?m)^---$", text)
            yield from (f"{part.strip()}\n" for part in parts if part.strip())


def documents(rendered: Mapping[str, str]) -> list[Document]:
    """The Kubernetes objects of a render. One name twice in a mapping is an error."""
    return [yaml.load(text, _Strict) for text in manifests(rendered)]  # noqa: S506 a SafeLoader


def load(path: Path) -> Document:
    """The values of a file."""
    return yaml.safe_load(path.read_text()) or {}


def cases() -> dict[str, Document]:
    """The values of ``ci/*-values.yaml``, by their names."""
    files = sorted((CHART / "ci").glob("*-values.yaml"))
    return {path.name.removesuffix("-values.yaml"): load(path) for path in files}


def examples() -> dict[str, Document]:
    """The values of ``deploy/examples``, by their names."""
    files = sorted(path for path in EXAMPLES.glob("*.yaml") if path.name != "prometheus.yaml")
    return {f"example {path.stem}": load(path) for path in files}


class _Strict(yaml.CSafeLoader):
    """YAML in which the last of two equal names does not silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} twice", node.start_mark)
        return super().construct_mapping(node, deep)
