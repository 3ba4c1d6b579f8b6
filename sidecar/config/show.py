"""The effective settings for people and programs: each value as users write it, and its origin.

The text is YAML that, given back as the file, loads to the same settings; only secrets are not in
it. Called by ``cli.config`` and, through ``app``, by the admin port's ``/config``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.config.fields import Field, Many, One, Record, Shape, Table, fields_of
from sidecar.config.settings import Settings

_REDACTED = "(not shown)"
# What need not be said of an item of a list, where it is the default.
_NOTHING: tuple[object, ...] = (None, False, 0, "", (), {})
_COMMENT_COLUMN = 40
# Text that YAML of any version reads as itself without quotes, inside flow lists too: a word or
# path, a number with its unit, an IPv4 address with its port. Anything else gets quotes.
_PLAIN_TEXT = re.compile(
    r"[A-Za-z/][A-Za-z0-9/_.*+-]*(?::[A-Za-z0-9/_.*+-]+)*|[0-9]+[A-Za-z]+|(?:[0-9]+\.){3}[0-9]+:[0-9]+"
)
# Words that YAML 1.1, which many tools still read, takes for something else.
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def report(settings: Settings, origins: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Every setting by its path, as JSON: ``{"auth.leeway": {"value": "30s", "origin": ...}}``.

    Without ``origins`` there are the values alone.
    """
    shown = {}
    for field in fields_of(Settings):
        shown[field.path] = {"value": shown_in(settings, field)}
        if origins is not None:
            shown[field.path]["origin"] = origins[field.path]
    return shown


def show_settings(settings: Settings, origins: Mapping[str, str]) -> str:
    """The settings as YAML, with each one's origin as a comment."""
    return "\n".join(_lines(settings, origins)) + "\n"


def shown_value(shape: Shape, value: Any) -> Any:
    """A value of the program as a user would write it, in JSON's terms."""
    match shape:
        case One(form):
            return None if value is None else form.show(value)
        case Many(item):
            return [shown_value(item, each) for each in value]
        case Table(entry):
            return {name: shown_value(entry, each) for name, each in value.items()}
        case Record(members=members):
            pairs = [(member, member.value_in(value)) for member in members]
            return {
                member.path: shown_value(member.shape, each)
                for member, each in pairs
                if each not in _NOTHING or member.is_required or each != member.default()
            }


def shown_in(settings: object, field: Field) -> Any:
    """One field of the settings as a user would write it, unless it is a secret."""
    value = field.value_in(settings)
    if field.setting.secret and value:
        return _REDACTED
    return shown_value(field.shape, value)


def _lines(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    open_sections: list[str] = []
    for field in _by_section(fields_of(Settings)):
        *sections, name = field.path.split(".")
        for depth, section in enumerate(sections):
            if open_sections[: depth + 1] != sections[: depth + 1]:
                yield f"{'  ' * depth}{section}:"
        open_sections = sections
        indent, comment = "  " * len(sections), f"# {origins[field.path]}"
        value = shown_in(settings, field)
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield f"{indent}{name}:".ljust(_COMMENT_COLUMN) + comment
            yield from (f"{indent}  - {_flow(item)}" for item in value)
        elif isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
            yield f"{indent}{name}:".ljust(_COMMENT_COLUMN) + comment
            yield from (f"{indent}  {_flow(each)}: {_flow(value[each])}" for each in value)
        else:
            yield f"{indent}{name}: {_flow(value)} ".ljust(_COMMENT_COLUMN) + comment


def _by_section(fields: tuple[Field, ...]) -> list[Field]:
    """The fields with those of each section together, in the order in which sections begin.

    ``auth.keyring`` is declared apart from ``auth``, and a name can be written only once.
    """
    first_place: dict[str, int] = {}
    for place, field in enumerate(fields):
        first_place.setdefault(field.path.partition(".")[0], place)

    def key(field: Field) -> tuple[int, int]:
        return first_place[field.path.partition(".")[0]], field.path.count(".")

    return sorted(fields, key=key)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{_flow(name)}: {_flow(each)}" for name, each in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN_TEXT.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    return '"' + "".join(_quoted(character) for character in value) + '"'


def _quoted(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08x}"
