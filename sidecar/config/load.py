"""Flags, environment, YAML file and defaults into one ``Settings``, or everything that is wrong.

Precedence, strongest first: a flag, an environment variable, the file, the default. Every source is
read in full even where a stronger one overrides it, so that a mistake does not wait for the day on
which the override goes. Looks at no key, certificate or port: that they can be used shows at start.
Called by ``cli`` and ``demo``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sidecar.config.checks import find_contradictions
from sidecar.config.fields import fields_of
from sidecar.config.names import CONFIG_VARIABLE, read_environment, read_flags
from sidecar.config.quote import quote
from sidecar.config.read import BROKEN, read, sort_by_field
from sidecar.config.settings import Settings
from sidecar.config.written import Written
from sidecar.errors import ConfigError

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each came from: ``flag --listen``, ``environment SIDECAR_LISTEN``,
    ``file sidecar.yaml:12`` or ``default``, by the path that users write (``auth.leeway``)."""

    settings: Settings
    origins: Mapping[str, str]


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None
) -> Loaded:
    """The settings that the sources say together.

    ``flags`` has the words of ``config.names`` (``max_token_lifetime``) with texts, or lists of
    them; None is a flag that was not given. Without ``file`` the variable SIDECAR_CONFIG names it;
    without either there is none. Raises ConfigError with every problem of every source.
    """
    problems: list[str] = []
    if file is None and environ.get(CONFIG_VARIABLE):
        file = Path(environ[CONFIG_VARIABLE])
    from_file = _read_file(file, problems) if file else {}
    weakest_first = (
        from_file or {},
        read_environment(environ, problems),
        read_flags(flags, problems),
    )
    values: dict[tuple[str, ...], Any] = {}
    origins: dict[str, str] = {}
    broken: set[str] = set()
    for field in fields_of(Settings):
        values[field.attributes], origins[field.path] = field.default(), _DEFAULT
        for source in weakest_first:
            if field.path not in source:
                continue
            written = source[field.path]
            value = read(field.shape, written, field.path, problems)
            if value is BROKEN:
                broken.add(field.path)
            else:
                values[field.attributes], origins[field.path] = value, written.origin
    settings = _assemble(Settings, (), values)
    if from_file is not None:  # of what an unreadable file says, nothing is known to contradict
        problems.extend(find_contradictions(settings, broken))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return Loaded(settings, origins)


def _read_file(file: Path, problems: list[str]) -> dict[str, Written] | None:
    """What the file says, by path; None where it cannot be read at all."""
    from sidecar.config.document import MAX_FILE_BYTES, parse_document  # YAML only for a file

    name = str(file) if str(file).isprintable() else quote(str(file))
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        document = parse_document(content, name, problems)
    except OSError as error:
        problems.append(f"{name}: cannot be read: {error.strerror}")
    except ValueError:  # a NUL in the path
        problems.append(f"{name}: cannot be the path of a file")
    except ConfigError as error:
        problems.extend(error.problems)
    else:
        return sort_by_field(Settings, document, problems)
    return None


def _assemble(
    settings_class: type, reached: tuple[str, ...], values: Mapping[tuple[str, ...], Any]
) -> Any:
    """An object of the class, its sections built from the values that belong to them."""
    arguments = {}
    for member in fields(settings_class):
        place = (*reached, member.name)
        if place in values:
            arguments[member.name] = values[place]
        else:
            assert is_dataclass(member.default)
            arguments[member.name] = _assemble(type(member.default), place, values)
    return settings_class(**arguments)
