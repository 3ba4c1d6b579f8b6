"""The reference of all settings, made from their own declarations.

Names, meanings, defaults, bounds and choices are the ones that ``config`` reads; flags and
variables come from the table that the command line is built from. The text before the mark on the
page is written by hand and kept. Called by ``scripts.references``.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from scripts.references.page import join_reference
from scripts.references.values import FORMS_IN_WORDS
from sidecar.cli.flags import is_repeatable
from sidecar.config.fields import Field, Many, One, Record, Shape, Table, fields_of, sections_of
from sidecar.config.forms import FORMS, Form
from sidecar.config.names import CONFIG_VARIABLE, OUTSIDE_NAMES, flag_name, variable_name
from sidecar.config.settings import Settings
from sidecar.config.show import shown_value
from sidecar.setting import FormName

PAGE: Final = Path("docs/configuration.md")

_SETTINGS: Final = """\
| setting | value | default | |
| --- | --- | --- | --- |"""
_OUTSIDE: Final = """\
| flag | variable | setting |
| --- | --- | --- |"""
_FORMS: Final = """\
| value | what is accepted | for example |
| --- | --- | --- |"""


def build_page() -> str:
    """The text of the page."""
    return join_reference(PAGE, "\n".join(_lines()))


def _lines() -> Iterator[str]:
    yield "## All settings\n"
    yield from _table(field for field in fields_of(Settings) if "." not in field.path)
    for section, doc in _sections():
        yield f"\n### {section}\n\n{_sentence(doc)}\n"
        yield from _table(_members_of(section))
    for field in fields_of(Settings):
        record = _record_in(field.shape)
        if record is not None:
            yield f"\n### Items of {field.path}\n\n{_of_items(field, record)}\n"
            yield from _table(record.members, below=f"{_item_path(field)}.")
    yield "\n## How values are written\n"
    yield "A list may be written as its only item alone.\n"
    yield _FORMS
    for words in FORMS_IN_WORDS.values():
        examples = " ".join(f"`{_written(value)}`" for value in words.examples)
        yield f"| {words.name} | {words.meaning} | {examples} |"
    yield "\n## Flags and environment variables\n"
    yield _OUTSIDE
    yield f"| `--config` | `{CONFIG_VARIABLE}` | the file itself |"
    for word, path in OUTSIDE_NAMES.items():
        times = ", given once for each item" if is_repeatable(word) else ""
        yield f"| `{flag_name(word)}` | `{variable_name(word)}` | `{path}`{times} |"


def _sections() -> Iterator[tuple[str, str]]:
    for path, doc in sections_of(Settings).items():
        if any(True for _ in _members_of(path)):
            yield path, doc


def _members_of(section: str) -> Iterator[Field]:
    return (field for field in fields_of(Settings) if field.path.rpartition(".")[0] == section)


def _table(fields: Iterable[Field], below: str = "") -> Iterator[str]:
    yield _SETTINGS
    for field in fields:
        default = "required" if field.is_required else f"`{_default(field)}`"
        meaning = field.setting.doc.replace("|", "\\|")
        yield f"| `{below}{field.path}` | {_value(field)} | {default} | {meaning} |"


def _record_in(shape: Shape) -> Record | None:
    match shape:
        case Many(item=Record() as record) | Table(value=Record() as record):
            return record
    return None


def _item_path(field: Field) -> str:
    return f"{field.path}.NAME" if isinstance(field.shape, Table) else f"{field.path}[]"


def _of_items(field: Field, record: Record) -> str:
    said = [_sentence(field.setting.doc)]
    if record.one_of:
        said.append(f"Each has exactly one of {_names(record.one_of)}.")
    if record.url_shorthand and record.url_shorthand != record.shorthand:
        said.append(
            f"A text alone stands for `{record.shorthand}`, one with `://` in it for"
            f" `{record.url_shorthand}`."
        )
    elif record.shorthand:
        said.append(f"A text alone stands for `{record.shorthand}`.")
    return " ".join(said)


def _value(field: Field) -> str:
    match field.shape:
        case One(form=form):
            return _of_form(field, form)
        case Many(item=One(form=form)):
            return f"list of: {_of_form(field, form)}"
        case Table(value=One(form=form)):
            return f"mapping to: {_of_form(field, form)}"
        case Many():
            return "list of items, see below"
    return "mapping to items, see below"


def _of_form(field: Field, form: Form) -> str:
    setting = field.setting
    if setting.choices:
        return " ".join(f"`{choice}`" for choice in setting.choices)
    said = FORMS_IN_WORDS[setting.form or _form_name(form)].name
    if setting.minimum is not None:
        said += f", at least {_written(form.show(setting.minimum))}"
    if setting.maximum is not None:
        said += f", at most {_written(form.show(setting.maximum))}"
    return said


def _form_name(form: Form) -> FormName:
    """The form of a setting that names none: its type says it."""
    plain: tuple[FormName, ...] = ("text", "count", "flag")
    return next(name for name in plain if FORMS[name].schema["type"] == form.schema["type"])


def _default(field: Field) -> str:
    return _written(shown_value(field.shape, field.default()))


def _written(value: Any) -> str:
    """A value as the file has it, on one line."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list | dict):
        text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
        return text.strip()
    return json.dumps(value)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(doc: str) -> str:
    return doc[0].upper() + doc[1:] + "."
