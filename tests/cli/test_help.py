"""The help teaches: every command has examples that work, every option says what it is for."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from scripts.references.commands import contexts, examples_of
from sidecar.cli.help import Example, Formatter
from sidecar.cli.main import sidecar
from tests.cli.files import FILES_OF_EXAMPLES, write_files

CONTEXTS = list(contexts())
EXAMPLES = [
    (context.command_path, example)
    for context in CONTEXTS
    for example in examples_of(context.command)
]
#: These serve, need another service, change the kernel, or ask about a repository of git.
NOT_RUN = re.compile(
    r"sidecar (run|demo|deps|fleet|intercept|healthcheck|drain|rotate (status|gate)"
    r"|version (stamp|show))\b|https:"
)
#: In place of a program: says with which words it was called.
STUB = """#!/bin/sh
test -t 0 || cat > /dev/null
printf '%s\\0' "$@" >> "$CALLS.$(basename "$0")"
printf '\\n' >> "$CALLS.$(basename "$0")"
"""
ROOT = Path(__file__).parents[2]
REAL = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m sidecar "$@"
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that examples name, and the current one; its ``bin`` comes first
    on the path, and has programs that do nothing."""
    write_files(tmp_path)
    for place in ("bin", ".zfunc", ".config/fish/completions"):
        (tmp_path / place).mkdir(parents=True)
    for program in ("sidecar", "docker", "jq"):
        install(tmp_path, program, STUB)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("VERSION_NAME", "v2.3")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return tmp_path


def install(directory: Path, name: str, script: str) -> None:
    program = directory / "bin" / name
    program.write_text(script)
    program.chmod(0o755)


def in_a_shell(command: str) -> int:
    done = subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.command_path)
def test_every_command_has_an_example_and_says_what_it_does(context: click.Context) -> None:
    assert context.command.help
    assert examples_of(context.command)
    assert all(example.purpose.endswith((":", "?")) for example in examples_of(context.command))


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.command_path)
def test_every_option_says_what_it_is_for(context: click.Context) -> None:
    for parameter in context.command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize(
    ("path", "example"), EXAMPLES, ids=[f"{path}-{example.purpose}" for path, example in EXAMPLES]
)
def test_every_example_is_accepted_by_the_parser(path: str, example: Example, files: Path) -> None:
    in_a_shell(example.command)

    calls = (files / "calls.sidecar").read_text().splitlines()
    assert any(f"sidecar {call} ".replace("\0", " ").startswith(f"{path} ") for call in calls)
    for call in calls:
        parse(call.split("\0")[:-1])


def parse(words: list[str]) -> None:
    """Raises click.UsageError for words that the real program would not take."""
    context = sidecar.make_context("sidecar", words)
    while isinstance(context.command, click.Group):
        arguments = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, arguments)
        assert command is not None
        if "--help" in rest:
            return
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize(
    "example",
    [example for _, example in EXAMPLES if not NOT_RUN.search(example.command)],
    ids=lambda example: example.purpose,
)
def test_every_example_that_needs_nobody_else_works(example: Example, files: Path) -> None:
    install(files, "sidecar", REAL)
    if "generate" in example.command:
        shutil.rmtree("signer")

    code = in_a_shell(f"set -o pipefail; {example.command}")

    # What stands in token.txt is no token, and nobody may read without one.
    is_refused = "inspect" in example.command or "explain" in example.command
    assert code == (1 if is_refused else 0)


@pytest.mark.parametrize(
    ("version", "is_yes"), [("v2.3", True), ("v2.2", False), ("latest", False), ("", False)]
)
def test_the_script_that_compares_takes_no_order_for_no_yes(
    version: str, is_yes: bool, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(files, "sidecar", REAL)
    monkeypatch.setenv("VERSION_NAME", version)
    (script,) = [each.command for _, each in EXAMPLES if "$VERSION_NAME" in each.command]
    assert (in_a_shell(script) == 0) is is_yes


def test_a_build_without_a_version_does_not_begin(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a version stands in the environment from before: this directory is in no
    repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(files.parent))
    install(files, "sidecar", REAL)
    page = (ROOT / "docs" / "versions.md").read_text("utf-8")
    (script,) = [
        block
        for block in re.findall("```sh\n(.*?)```", page, re.DOTALL)
        if "version stamp" in block
    ]
    builds = [script, *(each.command for _, each in EXAMPLES if "docker build" in each.command)]
    for build in builds:
        assert in_a_shell(build) != 0
    assert len(builds) > 1
    assert not (files / "calls.docker").exists()


@pytest.mark.parametrize("columns", ["40", "80", "200"])
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.command_path)
def test_help_fits_the_terminal(
    context: click.Context, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = context.command.get_help(context)
    commands = {line for each in examples_of(context.command) for line in each.command.splitlines()}
    for line in shown.splitlines():
        is_one_word = len(line.split()) == 1
        if line.strip() not in {command.strip() for command in commands} and not is_one_word:
            assert len(line) <= min(int(columns), 80)


def test_on_a_narrow_terminal_the_meaning_stands_below_the_term() -> None:
    narrow, wide = Formatter(width=40), Formatter(width=80)
    for formatter in (narrow, wide):
        formatter.write_dl([("--leeway DURATION", "how far clocks may differ")])

    assert narrow.getvalue() == "--leeway DURATION\n  how far clocks may differ\n"
    assert wide.getvalue() == "--leeway DURATION  how far clocks may differ\n"


def test_examples_are_shown_as_they_are_typed() -> None:
    formatter = Formatter(width=40)
    formatter.write_examples(
        [Example("Good for this, said at some length:", "sidecar a \\\n  --b"), Example("Or:", "c")]
    )

    assert formatter.getvalue() == (
        "Examples:\n  Good for this, said at some length:\n    sidecar a \\\n      --b\n\n"
        "  Or:\n    c\n"
    )


def test_the_files_of_the_examples_are_all_used(files: Path) -> None:
    text = "\n".join(example.command for _, example in EXAMPLES)
    for name in FILES_OF_EXAMPLES:
        assert name in text
