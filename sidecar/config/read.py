"""From what was written to what the program works with, collecting every problem on the way.

``read`` walks one field's shape beside its written value; ``sort_by_field`` walks a whole document
and finds the fields in it. Neither stops at a problem: each goes to ``problems`` as one line, with
its path and its origin, and the walk goes on. Called by ``config.load`` alone.
"""

from collections.abc import Iterable
from typing import Any, Final

from sidecar.config.fields import (
    Field,
    Many,
    One,
    Record,
    Shape,
    Table,
    fields_of,
    section_shorthands,
    sections_of,
)
from sidecar.config.names import suggestion
from sidecar.config.quote import path_below, quote
from sidecar.config.written import Written
from sidecar.errors import ConfigError

#: What ``read`` returns in place of a value that could not be read.
BROKEN: Final = object()


def read(shape: Shape, written: Written, path: str, problems: list[str]) -> Any:
    """The value of one field, or BROKEN after at least one line in ``problems``."""
    match shape:
        case One():
            return _read_one(shape, written, path, problems)
        case Many():
            return _read_many(shape, written, path, problems)
        case Table():
            return _read_table(shape, written, path, problems)
        case Record():
            return _read_record(shape, written, path, problems)


def sort_by_field(
    settings_class: type, document: Written, problems: list[str]
) -> dict[str, Written]:
    """The written value of every field that the document says something about, by path."""
    known = {field.path for field in fields_of(settings_class)}
    sections = sections_of(settings_class)
    shorthands = section_shorthands(settings_class)
    found: dict[str, Written] = {}

    def sort_section(written: Written, section: str) -> None:
        if written.value is None:
            return  # a heading with nothing below it
        if section in shorthands and isinstance(written.value, str):
            found[shorthands[section]] = written
            return
        if not isinstance(written.value, dict):
            subject = section or "the file"
            problems.append(
                f"{subject}: {quote(written.value)} is not a mapping of names ({written.origin})"
            )
            return
        prefix = f"{section}." if section else ""
        for name, item in written.value.items():
            path = prefix + name
            is_name = "." not in name  # a path written as one name is not that path
            if is_name and path in known:
                found[path] = item
            elif is_name and path in sections:
                sort_section(item, path)
            else:
                accepted = _names_below(prefix, [*known, *sections])
                elsewhere = [other for other in sorted(known) if other.endswith(f".{name}")]
                problems.append(_unknown_name(section, name, accepted, item, elsewhere))

    sort_section(document, "")
    return found


def _read_one(shape: One, written: Written, path: str, problems: list[str]) -> Any:
    if shape.is_nullable and written.value is None:
        return None
    try:
        return shape.form.parse(written.plain())
    except ConfigError as error:
        problems.append(f"{path}: {error.detail} ({written.origin})")
        return BROKEN


def _read_many(shape: Many, written: Written, path: str, problems: list[str]) -> Any:
    if isinstance(written.value, list):
        places = [(f"{path}[{index}]", item) for index, item in enumerate(written.value)]
    elif written.value is None:
        problems.append(f"{path}: null is not a list; leave the name out ({written.origin})")
        return BROKEN
    else:
        places = [(path, written)]
    if len(places) < shape.at_least:
        problems.append(f"{path}: is empty; at least one is needed ({written.origin})")
        return BROKEN
    items = [read(shape.item, item, place, problems) for place, item in places]
    return BROKEN if BROKEN in items else tuple(items)


def _read_table(shape: Table, written: Written, path: str, problems: list[str]) -> Any:
    if not isinstance(written.value, dict):
        problems.append(f"{path}: {quote(written.value)} is not a mapping ({written.origin})")
        return BROKEN
    entries = {}
    for name, item in written.value.items():
        place = path_below(path, name)
        if not name or not name.isprintable():
            problems.append(f"{place}: a name must be printable text ({item.origin})")
        entries[name] = read(shape.value, item, place, problems)
    return BROKEN if BROKEN in entries.values() else entries


def _read_record(shape: Record, written: Written, path: str, problems: list[str]) -> Any:
    given = written.value
    if shape.shorthand and isinstance(given, str):
        is_url = shape.url_shorthand is not None and "://" in given
        given = {shape.url_shorthand if is_url else shape.shorthand: written}
    if not isinstance(given, dict):
        wanted = ", ".join(member.path for member in shape.members)
        problems.append(f"{path}: {quote(given)} is not a mapping with {wanted} ({written.origin})")
        return BROKEN
    known_before = len(problems)
    names = [member.path for member in shape.members]
    problems.extend(
        _unknown_name(path, name, names, item) for name, item in given.items() if name not in names
    )
    _check_one_of(shape, given, path, written.origin, problems)
    values = {}
    for member in shape.members:
        if member.path in given:
            place = f"{path}.{member.path}"
            value = read(_member_shape(shape, member), given[member.path], place, problems)
            values[member.attributes[0]] = value
        elif member.is_required:
            problems.append(f"{path}.{member.path}: is missing ({written.origin})")
    return shape.settings_class(**values) if len(problems) == known_before else BROKEN


def _check_one_of(
    shape: Record, given: dict[str, Written], path: str, origin: str, problems: list[str]
) -> None:
    present = [name for name in shape.one_of if name in given]
    if shape.one_of and len(present) != 1:
        problems.append(f"{path}: needs exactly one of {', '.join(shape.one_of)} ({origin})")


def _member_shape(record: Record, member: Field) -> Shape:
    """A name of which exactly one must be there cannot be there and say nothing."""
    if member.path in record.one_of and isinstance(member.shape, One):
        return One(member.shape.form)
    return member.shape


def _names_below(prefix: str, paths: Iterable[str]) -> list[str]:
    """The names that may stand in a section, in order and each once."""
    below = [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
    return sorted({name.partition(".")[0] for name in below})


def _unknown_name(
    path: str, name: str, known: list[str], item: Written, elsewhere: list[str] | None = None
) -> str:
    shown = path_below(path, name)
    hint = f"; did you mean {elsewhere[0]}?" if elsewhere else suggestion(name, known)
    return f"{shown}: unknown name{hint} ({item.origin})"
