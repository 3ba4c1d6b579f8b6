"""A run's results as text: for the terminal, and as Markdown for the documentation."""

from collections.abc import Sequence
from itertools import zip_longest

from benchmarks.results import Results
from benchmarks.tables import (
    Table,
    build_comparison,
    build_interception,
    build_scale,
    build_verdicts,
)


def format_text(results: Results) -> str:
    """Everything, for people at a terminal."""
    parts = [_origin(results)]
    parts += [_plain(table) for table in _tables(results)]
    parts += [f"Not installed, so not measured: {name}" for name in results.missing]
    parts += [f"{name} failed: {why}" for name, why in results.failed.items()]
    return "\n\n".join(parts)


def format_markdown(results: Results) -> str:
    """Everything, as it stands in the documentation."""
    parts = [_origin(results)]
    parts += [_marked(table) for table in _tables(results)]
    parts += [f"Not installed when this was measured: {name}." for name in results.missing]
    parts += [f"Not measured: {name} ({why})." for name, why in results.failed.items()]
    return "\n\n".join(parts)


def _tables(results: Results) -> list[Table]:
    tables = [
        build_comparison(results.samples, results.amounts),
        build_scale(results.samples),
        build_interception(results.samples),
        build_verdicts(results.samples),
    ]
    return [table for table in tables if table.rows]


def _origin(results: Results) -> str:
    machine, amounts = results.machine, results.amounts
    versions = ", ".join(f"{name} {version}" for name, version in results.programs.items())
    return (
        f"Measured on {results.measured_at[:10]}: {machine['processor']}, {machine['cores']} "
        f"cores, {machine['system']}, Python {machine['python']}; {versions}. "
        f"{amounts['rounds']} rounds of {amounts['seconds']} s each; the machine's load before was "
        f"{machine['load_before']}."
    )


def _plain(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip_longest(table.columns, *table.rows)]
    lines = [_aligned(table.columns, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_aligned(row, widths) for row in table.rows)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "  ".join(cells).rstrip()


def _marked(table: Table) -> str:
    rule = [":--", *("--:" for _ in table.columns[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
