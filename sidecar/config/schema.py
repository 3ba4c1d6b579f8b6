"""The JSON Schema (2020-12) of the configuration file, for editors and for checks without us.

Says what the file's names are, what each means, and how its values are written. Laws between
settings, and bounds of values that are written as text (``16KiB``), are beyond a schema: what it
accepts, ``sidecar config check`` may still refuse. It accepts whatever the loader accepts.
Called by ``cli.config``.
"""

from collections.abc import Mapping
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
from sidecar.config.settings import Settings
from sidecar.config.show import shown_value

_NOT_OF_A_SHAPE: Final = frozenset({"description", "default"})


def build_schema() -> dict[str, Any]:
    """The schema as a JSON document."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sidecar",
        "description": "The configuration file of sidecar.",
        **_section(),
    }
    for path, doc in sections_of(Settings).items():
        _place(root, path, {"description": doc, **_section()})
    for field in fields_of(Settings):
        _place(root, field.path, _field_schema(field))
    for section, path in section_shorthands(Settings).items():
        _allow_bare_text(root["properties"], section, path)
    return root


def _allow_bare_text(properties: dict[str, Any], section: str, path: str) -> None:
    """A text in place of the section is the member at ``path``."""
    whole = properties[section]
    description = whole.pop("description")
    member = whole["properties"][path.removeprefix(f"{section}.")]
    alone = {name: value for name, value in member.items() if name not in _NOT_OF_A_SHAPE}
    properties[section] = {"description": description, "anyOf": [alone, whole]}


def _section() -> dict[str, Any]:
    # null is a heading with nothing below it.
    return {"type": ["object", "null"], "properties": {}, "additionalProperties": False}


def _place(root: dict[str, Any], path: str, schema: dict[str, Any]) -> None:
    *sections, name = path.split(".")
    for section in sections:
        root = root["properties"][section]
    root["properties"][name] = schema


def _field_schema(field: Field) -> dict[str, Any]:
    schema = {"description": field.setting.doc, **_shape_schema(field.shape)}
    if not field.is_required:
        schema["default"] = shown_value(field.shape, field.default())
    return schema


def _shape_schema(shape: Shape) -> dict[str, Any]:
    match shape:
        case One(form, is_nullable):
            schema = dict(form.schema)
            return {"anyOf": [schema, {"type": "null"}]} if is_nullable else schema
        case Many(item, at_least):
            alone = _shape_schema(item)
            several: dict[str, Any] = {"type": "array", "items": alone}
            if at_least:
                several["minItems"] = at_least
            return {"anyOf": [alone, several]}
        case Table(value):
            return {
                "type": "object",
                "propertyNames": {"minLength": 1},
                "additionalProperties": _shape_schema(value),
            }
        case Record():
            return _record_schema(shape)


def _record_schema(record: Record) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {member.path: _field_schema(member) for member in record.members},
        "required": [member.path for member in record.members if member.is_required],
        "additionalProperties": False,
    }
    for name in record.one_of:  # where it is written at all, it cannot be null
        schema["properties"][name] = schema["properties"][name]["anyOf"][0]
    if record.one_of:
        schema["oneOf"] = [{"required": [name]} for name in record.one_of]
    if record.shorthand:
        return {"anyOf": [_bare_text(record, schema["properties"]), schema]}
    return schema


def _bare_text(record: Record, members: Mapping[str, Any]) -> dict[str, Any]:
    """What may stand in place of the whole item."""
    assert record.shorthand is not None
    text = members[record.shorthand]
    if record.url_shorthand is None:
        return dict(text)
    return {"if": {"pattern": "://"}, "then": members[record.url_shorthand], "else": text}
