"""A table for people: columns as wide as they must be, words in capitals above them."""

from collections.abc import Iterable, Sequence


def format_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table as text, without a final newline. Every row has as many cells as ``columns``."""
    table = [[column.upper() for column in columns], *(list(row) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    lines = (
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)
