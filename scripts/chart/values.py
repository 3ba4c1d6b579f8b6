"""``values.yaml`` as it describes itself: each value with its path, its default and its comment.

A value is declared and described there, once; the schema and the README are made of that. A comment
counts that begins with ``# --``, as helm-docs has it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.chart.render import CHART, load


@dataclass
class Value:
    """One name in values.yaml; ``below``: those within it that are described themselves."""

    path: str
    default: Any
    text: str = ""
    below: "list[Value]" = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def read_values() -> list[Value]:
    """The top-level values, and what is described within them."""
    texts = dict(_described((CHART / "values.yaml").read_text().splitlines()))
    return [_value(name, default, texts) for name, default in load(CHART / "values.yaml").items()]


def leaves(values: list[Value]) -> Iterator[Value]:
    """Every value that a user sets."""
    for value in values:
        if value.below:
            yield from leaves(value.below)
        else:
            yield value


def _described(lines: list[str]) -> Iterator[tuple[str, str]]:
    path: list[str] = []
    text: list[str] = []
    for line in lines:
        bare = line.strip()
        if bare.startswith("# -- "):
            text = [bare[5:]]
        elif bare.startswith("# ") and text:
            text.append(bare[2:])
        elif match := re.match(r"( *)([A-Za-z0-9]+):", line):
            path[len(match[1]) // 2 :] = [match[2]]
            yield ".".join(path), " ".join(text)
            text = []
        else:
            text = []


def _value(path: str, default: Any, texts: Mapping[str, str]) -> Value:
    value = Value(path, default, texts.get(path, ""))
    if isinstance(default, dict):
        below = [_value(f"{path}.{name}", each, texts) for name, each in default.items()]
        if any(each.text or each.below for each in below):
            value.below = below
    return value
