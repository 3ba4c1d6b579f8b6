"""``--help`` that teaches: what a command does, then examples to copy, then its options.

``Command`` and ``Group`` are click's, with ``examples``; a group's commands have them too. An
example is a command line and what it is good for; tests hold each against the real parser, and the
reference of commands shows the same. On a narrow terminal an option's meaning stands below it.
Nothing here runs anything; every module of ``cli`` uses it.
"""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

#: Below this width a term and its meaning do not fit beside each other.
_NARROW = 60
_NARROWEST = 30
_WIDEST = 80


@dataclass(frozen=True, slots=True)
class Example:
    """What a command line is good for, and the line as it is typed.

    One that is too long for a page is broken as a shell takes it, with a backslash.
    """

    purpose: str
    command: str


class Formatter(click.HelpFormatter):
    """Help as wide as the terminal, and readable on one of 40 columns."""

    def __init__(self, width: int | None = None, max_width: int | None = None) -> None:
        columns = width or shutil.get_terminal_size().columns
        super().__init__(width=max(min(columns, max_width or _WIDEST) - 2, _NARROWEST))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Terms beside their meanings, or above them where there is no room."""
        if self.width >= _NARROW:
            super().write_dl(rows, col_max, col_spacing)
            return
        for term, meaning in rows:
            self.write_text(term)
            with self.indentation():
                self.write_text(meaning)

    def write_examples(self, examples: Iterable[Example]) -> None:
        """What each is good for, wrapped, and its lines as they are."""
        with self.section("Examples"):
            for place, example in enumerate(examples):
                if place:
                    self.write_paragraph()
                self.write_text(example.purpose)
                for line in example.command.splitlines():
                    self.write(f"{'':{self.current_indent + 2}}{line}\n")


class _Context(click.Context):
    formatter_class = Formatter


class Command(click.Command):
    """A command with examples."""

    context_class = _Context

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples first: they are what most people come for."""
        _write_examples(formatter, self.examples)
        super().format_options(ctx, formatter)


class Group(click.Group):
    """A group with examples, whose commands have them too."""

    context_class = _Context
    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples first: they are what most people come for."""
        _write_examples(formatter, self.examples)
        super().format_options(ctx, formatter)


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[Example]) -> None:
    if examples and isinstance(formatter, Formatter):
        formatter.write_examples(examples)
