"""What people read about the chart names what there is, and Helm says what to do next."""

import re
from pathlib import Path

import pytest

from scripts.chart.render import CHART, EXAMPLES, ROOT, load, render
from scripts.chart.values import leaves, read_values
from tests.chart.blocks import LEAST, Values, merged, with_block

PAGES = [
    ROOT / "docs/install.md",
    ROOT / "deploy/helm/README.md",
    CHART / "README.md",
    EXAMPLES / "README.md",
]
VALUES = load(CHART / "values.yaml")


def is_value(path: str) -> bool:
    """Whether that is a value, a part of the values, or within one that takes more."""
    return any(
        f"{value.path}.".startswith(f"{path}.") or f"{path}.".startswith(f"{value.path}.")
        for value in leaves(read_values())
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_value_that_a_page_names_is_one(page: Path) -> None:
    named = re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)[`:=]", page.read_text())
    paths = [
        path
        for path in named
        if path.partition(".")[0] in VALUES and not (is_template(path) or path.endswith(".yaml"))
    ]
    assert [path for path in paths if not is_value(path)] == []


def is_template(name: str) -> bool:
    """Whether that is a named template of the chart."""
    texts = (path.read_text() for path in (CHART / "templates").glob("*.tpl"))
    return any(f'{{{{- define "{name}" -}}}}' in text for text in texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_template_that_a_page_includes_is_one(page: Path) -> None:
    included = re.findall(r'include "([^"]+)"', page.read_text())
    assert [name for name in included if not is_template(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


# --- after an installation ----------------------------------------------------------------------


def notes(values: Values) -> str:
    return render(values)["sidecar/templates/NOTES.txt"]


def test_after_an_installation_the_next_three_commands_are_said() -> None:
    commands = [line.strip() for line in notes(LEAST).splitlines() if line.startswith("  ")]
    assert commands == [
        "kubectl --namespace thoughts rollout status deployment/thoughts-backend",
        "helm test thoughts-backend --namespace thoughts",
        "kubectl --namespace thoughts port-forward deployment/thoughts-backend 15020"
        "   # then http://127.0.0.1:15020",
    ]


@pytest.mark.parametrize(("tag", "warns"), [("latest", True), ("main", True), ("v2.3", False)])
def test_a_tag_that_says_nothing_is_warned_of(tag: str, warns: bool) -> None:
    said = notes(merged(LEAST, {"app": {"image": {"tag": tag}}}))
    assert (f"WARNING: {tag} says nothing about what runs." in said) == warns


def test_a_way_around_is_warned_of_while_there_may_be_one() -> None:
    assert "reaches port 8000 without" in notes(LEAST)
    assert "reaches port" not in notes(with_block("interception"))
    assert "reaches port" not in notes(with_block("network policy"))


def test_an_autoscaler_that_has_nothing_to_compare_with_is_warned_of() -> None:
    scaled = merged(LEAST, {"autoscaling": {"enabled": True}})
    asked = {"app": {"resources": {"requests": {"cpu": "100m"}}}}
    assert "app.resources.requests.cpu is not set" in notes(scaled)
    assert "app.resources.requests" not in notes(merged(scaled, asked))
    assert "app.resources.requests" not in notes(LEAST)


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_a_mode_that_refuses_nobody_is_said(mode: str) -> None:
    assert f"auth.mode is {mode}: nobody is refused." in notes(with_block(mode))
