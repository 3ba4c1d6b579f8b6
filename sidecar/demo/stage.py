"""A live picture at the foot of the terminal, with the lines that stay passing by above it.

Only for terminals; a log gets the lines alone. Nothing is drawn that a stranger wrote: the picture
is made of the demo's own names and numbers.
"""

import shutil
from collections.abc import Sequence
from typing import Any, TextIO

import click

_UP_AND_CLEAR = "\x1b[{}F\x1b[J"

#: A text and how it looks, as ``click.style`` takes it.
Span = tuple[str, dict[str, Any]]
Line = Sequence[Span]


class Stage:
    """``output`` is a terminal. An empty picture takes the last one away."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._picture: list[str] = []
        self._height = 0

    def say(self, text: str) -> None:
        """A line that stays, above the picture."""
        self._write(f"{self._erased()}{text}\n{self._drawn()}")

    def show(self, picture: Sequence[Line]) -> None:
        """This picture from now on."""
        size = shutil.get_terminal_size()
        lines = [_fit(line, size.columns - 1) for line in picture[: size.lines - 2]]
        erased = self._erased()
        self._picture = lines
        self._write(erased + self._drawn())

    def _erased(self) -> str:
        height, self._height = self._height, 0
        return _UP_AND_CLEAR.format(height) if height else ""

    def _drawn(self) -> str:
        self._height = len(self._picture)
        return "".join(f"{line}\n" for line in self._picture)

    def _write(self, text: str) -> None:
        if text:
            self._output.write(text)
            self._output.flush()


def _fit(line: Line, columns: int) -> str:
    """The line, cut where the terminal ends: a broken one could not be taken back."""
    shown = ""
    for text, style in line:
        shown += click.style(text[:columns], **style) if text[:columns] else ""
        columns -= min(len(text), columns)
    return shown
