"""The dashboard as Grafana reads it: its panels, and its queries with the variables filled in."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "deploy" / "helm" / "sidecar" / "files" / "dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES: dict[str, dict[str, Any]] = {
    variable["name"]: variable for variable in DASHBOARD["templating"]["list"]
}
#: The variables that narrow down what is shown.
FILTERS = [name for name, variable in VARIABLES.items() if variable["type"] == "query"]

#: Every query of a panel or an annotation, by what it is called.
QUERIES: dict[str, str] = {
    f"{panel['title']} [{target['refId']}]": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
} | {
    annotation["name"]: annotation["expr"]
    for annotation in DASHBOARD["annotations"]["list"]
    if "expr" in annotation
}


def expand(query: str, chosen: Mapping[str, str]) -> str:
    """The query as Grafana sends it. ``chosen``: a value for each filter; All where there is none.

    Prometheus' values are written into regular expressions, so their own signs are escaped.
    """
    for name in FILTERS:
        value = re.escape(chosen[name]) if name in chosen else VARIABLES[name]["allValue"]
        quoted = value.replace("\\", "\\\\")
        query = query.replace(f'"${name}"', f'"{quoted}"')
    query = query.replace("$__rate_interval", "1m")
    assert "$" not in query, query
    return query
