"""A table for people: columns as wide as they must be, words in capitals above them.

On a terminal it is no wider than that: first the longest texts are broken into lines, and where
even that leaves too little room, each row becomes a block of its own. A file or a pipe gets whole
rows, which ``grep`` and ``awk`` can take.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

_GAP = "  "
#: A column narrower than this would break every word.
_NARROWEST = 10


def format_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None
) -> str:
    """The table as text, without a final newline. Every row has as many cells as ``columns``.

    ``width``: the most columns of characters that it may take; None = any.
    """
    head, body = [column.upper() for column in columns], [list(row) for row in rows]
    widths = [max(map(len, cells)) for cells in zip(head, *body, strict=True)]
    if width is None or _total(widths) <= width:
        return "\n".join(_lines([head, *body], widths))
    fitting = _fit(widths, width)
    if fitting is None:
        return "\n\n".join(_block(head, row, width) for row in body)
    return "\n".join(_lines([head, *body], fitting))


def terminal_width() -> int | None:
    """How wide the terminal is that stdout goes to; None where it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fit(widths: Sequence[int], width: int) -> list[int] | None:
    """Widths that fit, the widest columns made narrower; None where that would go too far."""
    fitting = list(widths)
    while _total(fitting) > width:
        widest = max(range(len(fitting)), key=fitting.__getitem__)
        if fitting[widest] <= _NARROWEST:
            return None
        fitting[widest] -= 1
    return fitting


def _lines(table: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterable[str]:
    for row in table:
        wrapped = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
        for place in range(max(map(len, wrapped))):
            parts = (lines[place] if place < len(lines) else "" for lines in wrapped)
            cells = (f"{part:<{width}}" for part, width in zip(parts, widths, strict=True))
            yield _GAP.join(cells).rstrip()


def _block(head: Sequence[str], row: Sequence[str], width: int) -> str:
    """One row for itself, a line for each cell."""
    margin = max(map(len, head)) + len(_GAP)
    room = max(width - margin, _NARROWEST)
    lines = []
    for name, cell in zip(head, row, strict=True):
        first, *rest = _wrap(cell, room)
        lines.append(f"{name:<{margin}}{first}".rstrip())
        lines += [f"{'':{margin}}{line}" for line in rest]
    return "\n".join(lines)


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
