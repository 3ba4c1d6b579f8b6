"""The dashboard: complete, readable, and bound to nobody's installation."""

import re
from typing import Any

import pytest

from tests.monitoring.dashboard import DASHBOARD, FILTERS, PANELS, QUERIES, VARIABLES

WIDTH = 24
#: What a screen of 1080 lines shows without scrolling, in rows of the grid.
SCREEN = 26


def titled(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return {
        (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    }


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_each_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    if panel["type"] == "stat":
        assert panel["fieldConfig"]["defaults"]["noValue"]


def test_nothing_is_bound_to_one_installation() -> None:
    assert DASHBOARD["id"] is None
    sources = [panel["datasource"] for panel in PANELS]
    sources += [target["datasource"] for panel in PANELS for target in panel["targets"]]
    sources += [VARIABLES[name]["datasource"] for name in FILTERS]
    sources += [
        annotation["datasource"]
        for annotation in DASHBOARD["annotations"]["list"]
        if "expr" in annotation
    ]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert VARIABLES["datasource"]["type"] == "datasource"
    assert VARIABLES["datasource"]["current"] == {}


def test_panels_have_their_own_numbers_and_places() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    taken = [cell for panel in DASHBOARD["panels"] for cell in cells(panel)]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < WIDTH


def test_the_rotation_fits_on_one_screen() -> None:
    rows = {
        panel["title"]: panel["gridPos"]["y"]
        for panel in DASHBOARD["panels"]
        if panel["type"] == "row"
    }
    assert rows["Rotation"] == 0
    assert min(y for y in rows.values() if y) <= SCREEN


def test_every_filter_can_be_left_at_all_even_where_no_target_has_its_label() -> None:
    assert FILTERS == ["fleet", "namespace", "job", "service"]
    for name in FILTERS:
        variable = VARIABLES[name]
        assert variable["includeAll"]
        assert variable["multi"]
        assert variable["allValue"] == ".*"
        assert variable["current"]["value"] == ["$__all"]


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_keeps_to_the_chosen_targets(name: str) -> None:
    query = QUERIES[name]
    selectors = re.findall(r"\b([\w:]+)\{([^}]*)\}", query)
    assert selectors, name
    for metric, selector in selectors:
        # What is recorded of a whole fleet has no other label; alerts have those of many kinds.
        labels = ("fleet",) if ":" in metric else ("fleet", "namespace", "job")
        for label in labels if metric != "ALERTS" else ():
            assert f'{label}=~"${label}"' in selector, (name, metric)
    # Nothing is asked for without a selector.
    assert not re.search(r"\bsidecar_\w+(?![\w{:])", query), name
