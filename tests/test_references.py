"""The reference pages say what the code says."""

import importlib
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import sidecar.metrics
from scripts.references import commands, configuration, metrics
from scripts.references.__main__ import PAGES
from scripts.references.collectors import subjects
from scripts.references.page import join_reference
from scripts.references.values import FORMS_IN_WORDS
from sidecar.config.fields import fields_of
from sidecar.config.forms import FORMS
from sidecar.config.load import load_settings
from sidecar.config.settings import Settings
from sidecar.setting import FormName

ROOT = Path(__file__).parents[1]
FAMILIES: list[Metric] = [
    family
    for subject in subjects()
    for collector in subject.collectors
    for family in collector.collect()
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_page_is_current(page: Path) -> None:
    assert (ROOT / page).read_text() == PAGES[page](), "run: make references"


# --- configuration -----------------------------------------------------------------------------


def test_every_form_of_value_is_explained() -> None:
    assert FORMS_IN_WORDS.keys() == set(typing.get_args(FormName))


@pytest.mark.parametrize("name", FORMS_IN_WORDS)
def test_every_example_of_a_value_is_accepted(name: FormName) -> None:
    for example in FORMS_IN_WORDS[name].examples:
        FORMS[name].parse(example)


def test_every_setting_stands_on_the_page_of_settings() -> None:
    page = (ROOT / configuration.PAGE).read_text()
    for field in fields_of(Settings):
        assert f"| `{field.path}` |" in page


def test_the_configuration_at_the_head_of_the_page_is_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / configuration.PAGE).read_text(), re.DOTALL)
    (document,) = (block for block in blocks if yaml.safe_load(block))
    file = tmp_path / "sidecar.yaml"
    file.write_text(document)
    assert load_settings({}, {}, file).settings.service == "thoughts-backend"


# --- commands ----------------------------------------------------------------------------------


def test_every_command_stands_on_the_page_of_commands() -> None:
    headings = re.findall(r"^#+ (sidecar .*)$", (ROOT / commands.PAGE).read_text(), re.MULTILINE)
    paths = [context.command_path for context in commands.contexts()]
    assert paths == ["sidecar", *headings]


def test_a_page_without_its_mark_is_not_overwritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# By hand\n")
    with pytest.raises(ValueError, match="has no line"):
        join_reference(page, "made")


# --- metrics -----------------------------------------------------------------------------------


def collectors_of_the_program() -> Iterator[type]:
    for found in pkgutil.iter_modules(sidecar.metrics.__path__, "sidecar.metrics."):
        for value in vars(importlib.import_module(found.name)).values():
            # Collector is a protocol, which cannot be asked whether something is one.
            is_own = isinstance(value, type) and value.__module__ == found.name
            if is_own and Collector in value.__mro__:
                yield value


def test_no_collector_is_missing_from_the_page_of_metrics() -> None:
    shown = {type(collector) for subject in subjects() for collector in subject.collectors}
    assert set(collectors_of_the_program()) - shown == set()


@pytest.mark.parametrize("family", FAMILIES, ids=metrics.name_of)
def test_each_metric_has_samples_by_which_its_labels_are_known(family: Metric) -> None:
    assert family.samples


@pytest.mark.parametrize("family", FAMILIES, ids=metrics.name_of)
def test_each_metric_is_named_and_explained_as_others_are(family: Metric) -> None:
    name = metrics.name_of(family)
    assert re.fullmatch(r"(sidecar|process)_[a-z_]+", name)
    assert family.documentation.endswith(".")
    assert "|" not in family.documentation
