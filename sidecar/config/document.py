"""A YAML text as plain values that remember where they were written.

PyYAML's C scanner and parser find the structure; ``config.written`` says what plain words mean.
Refused: more than 1 MiB, several documents, tags, merge keys, keys that are written twice, deep
nesting, and aliases that expand to a great many values. Called by ``config.load``.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from sidecar.config.quote import path_below
from sidecar.config.written import Written, plain_scalar
from sidecar.errors import ConfigError

MAX_FILE_BYTES = 1 << 20
_MAX_DEPTH = 32
_MAX_VALUES = 100_000


def parse_document(content: bytes, name: str, problems: list[str]) -> Written:
    """The only document of a YAML text; an empty one is an empty mapping.

    ``name`` is the file's in origins. Raises ConfigError where the text is not YAML at all; keys
    that cannot stand go to ``problems``, each with its path, and the rest is still read.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: is not UTF-8 text") from None
    try:
        return _Builder(text, name, problems).build()
    except yaml.YAMLError as error:
        raise ConfigError(_describe(error, text, name)) from None


def _describe(error: yaml.YAMLError, text: str, name: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        context = f" {error.context}" if error.context else ""
        return f"{name}:{mark.line + 1}:{mark.column + 1}: is not YAML: {error.problem}{context}"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.encode().count(b"\n", 0, error.position) + 1
        return f"{name}:{line}: is not YAML: a control character"
    return f"{name}: is not YAML"


class _Builder:
    """Turns the parser's events into Written values; one use."""

    def __init__(self, text: str, name: str, problems: list[str]) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._name = name
        self._problems = problems
        self._anchors: dict[str, tuple[Written, int]] = {}
        self._count = 0

    def build(self) -> Written:
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return Written({}, f"file {self._name}")
        document = self._value(next(self._events), "", 0)
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._refusal(event, "a second document begins here; only one is read")
        return document

    def _value(self, event: Any, path: str, depth: int) -> Written:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        if depth > _MAX_DEPTH:
            raise self._refusal(event, f"values are nested more than {_MAX_DEPTH} deep")
        if event.tag is not None:
            raise self._refusal(event, "tags are not used here; quotes make a text of anything")
        before = self._count
        self._add(event, 1)
        written = Written(self._content(event, path, depth), self._origin(event))
        if event.anchor is not None:
            self._anchors[event.anchor] = (written, self._count - before)
        return written

    def _content(self, event: Any, path: str, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            is_plain = event.implicit[0]
            return plain_scalar(event.value) if is_plain else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, depth)
        return self._mapping(path, depth)

    def _list(self, path: str, depth: int) -> list[Written]:
        items: list[Written] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, f"{path}[{len(items)}]", depth + 1))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Written]:
        members: dict[str, Written] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise self._refusal(event, "a name must be a plain text")
            name = event.value
            below = path_below(path, name)
            value = self._value(next(self._events), below, depth + 1)
            if name == "<<" and event.implicit[0]:
                raise self._refusal(event, "merge keys (<<) are not used here")
            if name in members:
                where = f"{members[name].origin} and {self._origin(event)}"
                self._problems.append(f"{below}: is written twice ({where})")
            members[name] = value
        return members

    def _aliased(self, event: Any) -> Written:
        if event.anchor not in self._anchors:
            raise self._refusal(event, f"no anchor &{event.anchor} stands before this alias")
        written, count = self._anchors[event.anchor]
        self._add(event, count)
        return written

    def _add(self, event: Any, count: int) -> None:
        self._count += count
        if self._count > _MAX_VALUES:
            raise self._refusal(event, f"more than {_MAX_VALUES} values, aliases counted in full")

    def _origin(self, event: Any) -> str:
        return f"file {self._name}:{event.start_mark.line + 1}"

    def _refusal(self, event: Any, reason: str) -> ConfigError:
        mark = event.start_mark
        return ConfigError(f"{self._name}:{mark.line + 1}:{mark.column + 1}: {reason}")
