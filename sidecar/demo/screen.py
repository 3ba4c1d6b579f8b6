"""What the demo looks like: headings, tables that read at a glance, colour where it helps.

Plain is for logs and for terminals that know neither colour nor signs: the same lines, in ASCII.
It prints nothing itself; ``say`` is given by the command, or by the stage with its live picture.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import click

_INDENT = "   "
_WIDEST = 100
_NARROWEST = 30


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table, and the mark before it."""

    cells: tuple[str, ...]
    is_right: bool


class Screen:
    """Lines for people, one after the other. ``columns``: how wide the terminal is."""

    def __init__(
        self, say: Callable[[str], None], *, is_plain: bool, columns: int = _WIDEST
    ) -> None:
        self._say = say
        self._is_plain = is_plain
        self._width = max(min(columns, _WIDEST) - 1, _NARROWEST)
        self._marks = {True: "ok   ", False: "WRONG"} if is_plain else {True: "✓", False: "✗"}

    @property
    def arrow(self) -> str:
        return "->" if self._is_plain else "→"

    def heading(self, text: str) -> None:
        lines = textwrap.wrap(text, self._width)
        self._say("\n" + "\n".join(self._style(line, bold=True) for line in lines))

    def line(self, text: str = "") -> None:
        """A line as it is, also where it is too long: a command, or an address."""
        self._say(f"{_INDENT}{text}" if text else "")

    def paragraph(self, text: str) -> None:
        """A text of any length, in lines that fit."""
        for line in self._wrap(text, _INDENT):
            self._say(line)

    def evidence(self, text: str) -> None:
        """As a paragraph, below a verdict, and less loud."""
        margin = _INDENT + " " * (len(self._marks[True]) + 1)
        for line in self._wrap(text, margin):
            self._say(self._style(line, dim=True))

    def verdict(self, text: str, *, is_right: bool) -> None:
        """A text with a mark before it."""
        margin = _INDENT + " " * (len(self._marks[True]) + 1)
        first, *rest = self._wrap(text, margin)
        self._say(f"{_INDENT}{self._mark(is_right)} {first[len(margin) :]}")
        for line in rest:
            self._say(line)

    def table(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """A table, its columns' names above it; on a terminal too narrow for it, texts."""
        lines = align([columns, *(row.cells for row in rows)])
        beneath = " " * len(self._marks[True])
        if len(f"{_INDENT}{beneath} ") + max(map(len, lines)) > self._width:
            for row in rows:
                self.verdict(", ".join(row.cells), is_right=row.is_right)
            return
        self._say(f"{_INDENT}{beneath} {self._style(lines[0], dim=True)}")
        for row, line in zip(rows, lines[1:], strict=True):
            self._say(f"{_INDENT}{self._mark(row.is_right)} {line}")

    def _wrap(self, text: str, margin: str) -> list[str]:
        return textwrap.wrap(
            text,
            max(self._width, len(margin) + _NARROWEST),
            initial_indent=margin,
            subsequent_indent=margin,
            break_on_hyphens=False,
        )

    def _mark(self, is_right: bool) -> str:
        style = {"fg": "green"} if is_right else {"fg": "red", "bold": True}
        return self._style(self._marks[is_right], **style)

    def _style(self, text: str, **style: Any) -> str:
        return text if self._is_plain else click.style(text, **style)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, each column as wide as it must be."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def is_plain(output: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether this output wants no colour: a file, a dumb terminal, or NO_COLOR is set."""
    has_signs = (output.encoding or "").lower().replace("-", "") == "utf8"
    is_dumb = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return is_dumb or not has_signs or not output.isatty()
