"""The files that are derived from the chart: its schema, its README, manifests, kept renders.

Called by ``python -m scripts.chart``, which writes them, and by the tests, which compare.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.chart.render import CHART, ROOT, cases, load, manifests, render
from scripts.chart.schema import build_schema, write_schema
from scripts.chart.values import Value, leaves, read_values

GOLDEN: Final = ROOT / "tests/chart/golden"
MANIFESTS: Final = ROOT / "deploy/kubernetes"
#: Renders are kept of a pod in its newest form, and of one before there were native sidecars.
NEW, OLD = "v1.34.0", "v1.28.0"
_OF_HELM = re.compile(
    r"(?m)^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n|^  namespace: .*\n"
)
_BEGIN, _END = "<!-- values: begin -->", "<!-- values: end -->"
_HEAD = """\
# For Kubernetes 1.30 and newer. Rendered from deploy/helm/sidecar with {values} by `make chart`.
# Change the values and render again, or take it as a start for your own.
"""


def schema_file() -> tuple[Path, str]:
    """The schema, by which every render is judged: it has to be written first."""
    return CHART / "values.schema.json", write_schema(build_schema())


def derived() -> dict[Path, str]:
    """Every derived file, and what should stand in it."""
    path, schema = schema_file()
    return {
        path: schema,
        CHART / "README.md": build_readme(),
        **{MANIFESTS / name: text for name, text in build_manifests().items()},
        **{GOLDEN / name: text for name, text in build_goldens().items()},
    }


# --- README ------------------------------------------------------------------------------------


def build_readme() -> str:
    """The chart's README, its tables of values made anew."""
    text = (CHART / "README.md").read_text()
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return f"{head}{_BEGIN}\n\n{_tables()}\n{_END}{tail}"


def _tables() -> str:
    values = read_values()
    parts = [_table("General", "", [value for value in values if not value.below])]
    parts += [
        _table(f"`{value.path}`", value.text, list(leaves(value.below)))
        for value in values
        if value.below
    ]
    return "\n".join(parts)


def _table(title: str, text: str, values: list[Value]) -> str:
    intro = [text, ""] if text else []
    rows = (f"| `{each.path}` | {_code(each.default)} | {_cell(each.text)} |" for each in values)
    heads = ("| value | default | meaning |", "| --- | --- | --- |")
    return "\n".join([f"### {title}", "", *intro, *heads, *rows, ""])


def _code(default: object) -> str:
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- manifests ---------------------------------------------------------------------------------


def build_manifests() -> dict[str, str]:
    """For people without Helm: renders for the namespace that one applies them to, without what
    speaks of Helm."""
    found = {}
    for path in sorted(MANIFESTS.glob("values*.yaml")):
        values = {**load(path), "kubeVersion": NEW}
        text = _OF_HELM.sub("", "---\n".join(manifests(render(values))))
        head = _HEAD.format(values=path.relative_to(ROOT))
        found[path.name.replace("values", "sidecar", 1)] = head + text
    return found


# --- kept renders ------------------------------------------------------------------------------


def build_goldens() -> dict[str, str]:
    """The kept renders, by file name."""
    goldens = {
        f"{name}.yaml": _golden({**values, "kubeVersion": NEW}) for name, values in cases().items()
    }
    old = {**cases()["minimal"], "kubeVersion": OLD}
    return {**goldens, "minimal-before-native-sidecars.yaml": _golden(old)}


def _golden(values: dict[str, object]) -> str:
    return "---\n".join(_without_copies(render(values)))


def _without_copies(rendered: dict[str, str]) -> Iterator[str]:
    """The objects, without the dashboard and the texts that are files of their own."""
    script = (CHART / "files/test.py").read_text().strip()
    test = "\n".join(f"{' ' * 10}{line}" for line in script.splitlines())
    for text in manifests(rendered):
        if "\nkind: PrometheusRule\n" in text:
            yield text.partition("\nspec:\n")[0] + "\nspec: # files/rules.yaml\n"
        elif "\n  sidecar.json: |" not in text:
            yield text.replace(test, f"{' ' * 10}# files/test.py")
