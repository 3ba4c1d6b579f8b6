"""The flags that stand for settings, the same on every command that reads the configuration.

Built from the table of ``config.names`` and the meanings in the settings classes, so that a flag,
its variable and the documentation cannot differ. A flag's text is judged by ``config``, not here:
its problems are reported together with those of the file and the environment.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.config.fields import fields_of
from sidecar.config.names import CONFIG_VARIABLE, OUTSIDE_NAMES, flag_name, variable_name
from sidecar.config.settings import Settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sidecar.config.load import Loaded

#: Lists whose flag is given once for each item; the others take commas, as variables do.
_REPEATABLE = frozenset({"listen", "keyring", "audience"})
_METAVARS: Mapping[str | None, str] = {
    "address": "ADDRESS",
    "duration": "DURATION",
    "file_path": "PATH",
    "upstream": "URL",
    "upstream_url": "URL",
    "url_path": "PATH,...",
}
#: Flags whose values a shell finds on the disk: among all files, or among directories.
_PLACES: Mapping[str, str] = {"keyring": "file", "state_dir": "dir"}

#: What may follow a flag, as click asks for it.
_Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def is_repeatable(word: str) -> bool:
    """Whether the flag is given once for each item of its list."""
    return word in _REPEATABLE


def settings_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: ``--config`` and a flag for every word of ``config.names``."""
    meanings = {field.path: field.setting for field in fields_of(Settings)}
    for word, path in reversed(list(OUTSIDE_NAMES.items())):
        setting = meanings[path]
        more = " Repeatable." if is_repeatable(word) else ""
        command = click.option(
            flag_name(word),
            word,
            multiple=is_repeatable(word),
            metavar="|".join(setting.choices) or _METAVARS.get(setting.form, "TEXT"),
            help=f"{setting.doc}.{more} [{path}, {variable_name(word)}]",
            shell_complete=_completion(word, setting.choices),
        )(command)
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"The YAML file. [{CONFIG_VARIABLE}]",
    )(command)


def _completion(word: str, choices: tuple[str, ...]) -> _Complete:
    """What a shell offers after the flag; it judges nothing."""

    def complete(
        _: click.Context, __: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[str]]":
        from click.shell_completion import CompletionItem

        if word in _PLACES:
            return [CompletionItem(incomplete, type=_PLACES[word])]
        return [CompletionItem(each) for each in choices if each.startswith(incomplete)]

    return complete


def load_from(config: Path | None, flags: dict[str, Any]) -> "Loaded":
    """The settings of these flags, this process's environment and the file."""
    from sidecar.config.load import load_settings

    return load_settings(flags, os.environ, config)
