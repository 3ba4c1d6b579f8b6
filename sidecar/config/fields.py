"""The settings classes seen as one flat list of fields, each with the path that users write.

Reads the annotations of ``Settings`` and of the classes below it, once, and knows nothing of files,
environment or values. A class that stands alone is a section, which exists only as the beginning of
a path (``auth`` of ``auth.leeway``); a class inside a list or a mapping is a record (one of
``auth.rules``).
``config.read``, ``config.schema`` and ``config.show`` walk what is found here, so that a new
setting is declared in one place and is parsed, checked, published and shown at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, is_dataclass
from dataclasses import Field as ClassField
from dataclasses import fields as class_fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from sidecar.config.forms import FORMS, Form, bounded_form, choice_form
from sidecar.setting import FormName, Setting

_FORM_OF_TYPE: Mapping[object, FormName] = {str: "text", int: "count", bool: "flag"}


@dataclass(frozen=True, slots=True)
class One:
    """A single value; ``null`` stands for nothing where that is a value."""

    form: Form
    is_nullable: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list, or its only item alone."""

    item: "One | Record"
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping from names that users choose."""

    value: "One | Record"


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known names, read into ``settings_class``."""

    settings_class: type
    members: "tuple[Field, ...]"
    one_of: tuple[str, ...] = ()
    shorthand: str | None = None
    url_shorthand: str | None = None


Shape = One | Many | Table | Record


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: ``path`` as users write it, ``attributes`` as the program reaches it."""

    path: str
    attributes: tuple[str, ...]
    setting: Setting
    shape: Shape
    declared: ClassField[Any]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def is_required(self) -> bool:
        return self.declared.default is MISSING and self.declared.default_factory is MISSING

    def default(self) -> Any:
        """The value where nobody says another; only for a field that is not required."""
        if self.declared.default_factory is not MISSING:
            return self.declared.default_factory()
        return self.declared.default

    def value_in(self, settings: object) -> Any:
        """This field's value in a settings object of the class that the fields were read from."""
        for attribute in self.attributes:
            settings = getattr(settings, attribute)
        return settings


@cache
def fields_of(settings_class: type) -> tuple[Field, ...]:
    """Every field of the class and of its sections, in the order of declaration."""
    return tuple(_fields_below(settings_class, "", ()))


@cache
def sections_of(settings_class: type) -> Mapping[str, str]:
    """The path of every section, and its meaning."""
    found = {}
    for member, hint, setting in _members(settings_class):
        if is_dataclass(hint):
            name = _name(member, setting)
            found[name] = setting.doc
            for path, doc in sections_of(_as_class(hint)).items():
                found[f"{name}.{path}"] = doc
    return found


@cache
def section_shorthands(settings_class: type) -> Mapping[str, str]:
    """The sections of this class that a bare text may stand for, with the path that it says."""
    return {
        _name(member, setting): f"{_name(member, setting)}.{setting.shorthand}"
        for member, hint, setting in _members(settings_class)
        if is_dataclass(hint) and setting.shorthand
    }


def _fields_below(
    settings_class: type, prefix: str, attributes: tuple[str, ...]
) -> Iterator[Field]:
    for member, hint, setting in _members(settings_class):
        path = prefix + _name(member, setting)
        reached = (*attributes, member.name)
        if is_dataclass(hint):
            yield from _fields_below(_as_class(hint), f"{path}.", reached)
        else:
            yield Field(path, reached, setting, _shape(hint, setting), member)


def _members(settings_class: type) -> Iterator[tuple[ClassField[Any], Any, Setting]]:
    hints = get_type_hints(settings_class, include_extras=True)
    for member in class_fields(settings_class):
        hint = hints[member.name]
        if get_origin(hint) is not Annotated or not isinstance(hint.__metadata__[0], Setting):
            raise TypeError(f"{settings_class.__name__}.{member.name} is not marked as a Setting")
        yield member, hint.__origin__, hint.__metadata__[0]


def _name(member: ClassField[Any], setting: Setting) -> str:
    if setting.name:
        return setting.name
    return member.name.removesuffix("_s") if setting.form == "duration" else member.name


def _shape(hint: Any, setting: Setting) -> Shape:
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is tuple:
        return Many(_item(arguments[0], setting), setting.at_least)
    if kind is dict:
        return Table(_item(arguments[1], setting))
    if kind in {Union, UnionType}:
        (hint,) = (argument for argument in arguments if argument is not NoneType)
        return One(_form(hint, setting), is_nullable=True)
    return One(_form(hint, setting))


def _item(hint: Any, setting: Setting) -> One | Record:
    if setting.form is not None or not is_dataclass(hint):
        return One(_form(hint, setting))
    settings_class = _as_class(hint)
    return Record(
        settings_class,
        fields_of(settings_class),
        setting.one_of,
        setting.shorthand,
        setting.url_shorthand,
    )


def _form(hint: object, setting: Setting) -> Form:
    form = choice_form(setting.choices) if setting.choices else None
    if form is None:
        form = FORMS[setting.form or _FORM_OF_TYPE[hint]]
    if setting.minimum is None and setting.maximum is None:
        return form
    return bounded_form(form, setting)


def _as_class(hint: Any) -> type:
    assert isinstance(hint, type)
    return hint
