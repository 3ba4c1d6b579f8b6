"""The reference pages say what the code says."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import sidecar.metrics
from scripts.references import metrics
from scripts.references.__main__ import PAGES
from scripts.references.collectors import subjects

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
