"""The reference of the command line, made from the commands themselves.

Usage, text, examples and options are those of ``--help``. The text before the mark on the page is
written by hand and kept. Called by ``scripts.references``.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from scripts.references.page import join_reference
from sidecar.cli.help import Example
from sidecar.cli.main import PROGRAM, sidecar

PAGE: Final = Path("docs/cli.md")

_OPTIONS: Final = """\
| option | |
| --- | --- |"""


def build_page() -> str:
    """The text of the page."""
    return join_reference(PAGE, "\n\n".join(_parts()))


def contexts() -> Iterator[click.Context]:
    """Every command with its path, groups before what is in them."""
    root = sidecar.context_class(sidecar, info_name=PROGRAM)
    yield root
    yield from _below(root)


def examples_of(command: click.Command) -> tuple[Example, ...]:
    """The examples in its help; a command of another kind has none."""
    return getattr(command, "examples", ())


def _below(parent: click.Context) -> Iterator[click.Context]:
    assert isinstance(parent.command, click.Group)
    for name in parent.command.list_commands(parent):
        command = parent.command.get_command(parent, name)
        assert command is not None
        context = command.context_class(command, info_name=name, parent=parent)
        yield context
        if isinstance(command, click.Group):
            yield from _below(context)


def _parts() -> Iterator[str]:
    for context in contexts():
        if context.parent is not None:  # what all have in common is written by hand
            yield from _of_command(context)


def _of_command(context: click.Context) -> Iterator[str]:
    command = context.command
    depth = context.command_path.count(" ") + 1
    yield f"{'#' * depth} {context.command_path}"
    yield inspect.cleandoc(command.help or "")
    if isinstance(command, click.Group):
        return
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```"
    for example in examples_of(command):
        yield f"{example.purpose}\n\n```sh\n{example.command}\n```"
    rows = [_row(option, context) for option in command.params if isinstance(option, click.Option)]
    if rows:
        yield "\n".join([_OPTIONS, *rows])


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    names, meaning = (cell.replace("  [", " [") for cell in record)
    # A bar would end the cell, and inside of backticks not every Markdown lets it be escaped.
    shown = f"<code>{names.replace('|', '&#124;')}</code>" if "|" in names else f"`{names}`"
    return f"| {shown} | {meaning.replace('|', '&#124;')} |"
