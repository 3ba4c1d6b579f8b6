"""The program as a whole: it finds commands, and ends with one clear line and the right code."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import click
import pytest

from sidecar.cli.main import COMMANDS, run_command_line
from sidecar.errors import (
    ConfigError,
    KeyFileError,
    OverLimit,
    TokenExpired,
    UpstreamRefused,
)

PROGRAM = [sys.executable, "-m", "sidecar"]

#: Installs a command ``demo`` that does what it is given.
Install = Callable[[Callable[[], int | None]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install_command(body: Callable[[], int | None]) -> None:
        module = ModuleType("sidecar.cli.demo")
        setattr(module, "command", click.command("demo")(body))  # noqa: B010
        monkeypatch.setitem(sys.modules, "sidecar.cli.demo", module)

    return install_command


def failing(error: BaseException) -> Callable[[], int | None]:
    def body() -> int | None:
        raise error

    return body


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, meaning in COMMANDS.items():
        assert name in shown
        assert meaning in shown


def test_help_imports_no_command_and_no_server() -> None:
    code = (
        "import sys; from sidecar.cli.main import run_command_line; run_command_line(['--help']);"
        "print([name for name in sys.modules if name in {'yaml', 'aiohttp', 'asyncio', 'jwt',"
        " 'cryptography', 'prometheus_client'} or name.startswith('sidecar.cli.')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.splitlines()[-1] == "['sidecar.cli.help', 'sidecar.cli.main']"


def test_reading_the_configuration_loads_yaml_only_for_a_file() -> None:
    code = (
        "import sys; from sidecar.cli.main import run_command_line;"
        "run_command_line(['config', 'check', '--auth', 'off']);"
        "print([name for name in sys.modules if name in {'yaml', 'aiohttp', 'asyncio', 'jwt',"
        " 'difflib', 'cryptography', 'prometheus_client'}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout == "ok\n[]\n"


@pytest.mark.parametrize(
    ("arguments", "names", "hint"),
    [
        (["bogus"], "bogus", " (see sidecar --help)\n"),
        (["--bogus"], "--bogus", " (see sidecar --help)\n"),
        (["run", "--bogus"], "--bogus", " (see sidecar run --help)\n"),
        (["run", "--drain"], "--drain", "\n"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], names: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("sidecar: ")
    assert output.err.endswith(hint)
    assert output.err.count("\n") == 1
    assert names in output.err


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_a_group_without_a_command_shows_its_help_and_exits_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Usage: sidecar")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigError(["a: is wrong", "b: too"]), 2, ["sidecar: a: is wrong", "sidecar: b: too"]),
        (KeyFileError("x.pub holds no key"), 2, ["sidecar: x.pub holds no key"]),
        (TokenExpired(), 1, ["sidecar: The token's exp has passed; get a new token."]),
        (UpstreamRefused("nobody there"), 3, ["sidecar: nobody there"]),
        (OverLimit("full"), 70, ["sidecar: full"]),
        (FileNotFoundError(2, "No such file or directory", "/x"), 2, None),
        (ConnectionRefusedError(111, "Connection refused"), 3, ["sidecar: Connection refused"]),
        (TimeoutError(), 3, ["sidecar: TimeoutError"]),
        (KeyboardInterrupt(), 130, ["sidecar: interrupted"]),
        (click.Abort(), 130, ["sidecar: interrupted"]),
        (BrokenPipeError(), 141, []),
    ],
)
def test_each_kind_of_failure_has_its_lines_and_its_code(
    error: BaseException,
    code: int,
    lines: list[str] | None,
    install: Install,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(failing(error))
    assert run_command_line(["demo"]) == code
    expected = ["sidecar: /x: No such file or directory"] if lines is None else lines
    assert capsys.readouterr().err.splitlines() == expected


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_says_its_exit_code(code: int, install: Install) -> None:
    install(lambda: code)
    assert run_command_line(["demo"]) == code


def test_a_command_that_says_nothing_is_done(install: Install) -> None:
    install(lambda: None)
    assert run_command_line(["demo"]) == 0


def test_an_unforeseen_error_is_one_line_without_its_text_or_a_traceback(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIDECAR_LOG_LEVEL", raising=False)
    install(failing(ValueError("a secret text")))
    assert run_command_line(["demo"]) == 70
    shown = capsys.readouterr().err
    assert shown.startswith("sidecar: internal error: ValueError in test_main.py:")
    assert shown.count("\n") == 1
    assert "secret" not in shown


def test_at_log_level_debug_an_unforeseen_error_has_its_traceback(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_LOG_LEVEL", "debug")
    install(failing(ValueError("a text")))
    assert run_command_line(["demo"]) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_run_hands_the_loaded_settings_to_the_lifecycle(monkeypatch: pytest.MonkeyPatch) -> None:
    received = []

    def run(loaded: object) -> int:
        received.append(loaded)
        return 7

    lifecycle = ModuleType("sidecar.app.lifecycle")
    setattr(lifecycle, "run", run)  # noqa: B010
    monkeypatch.setitem(sys.modules, "sidecar.app.lifecycle", lifecycle)
    assert run_command_line(["run", "--auth", "off", "--listen", "127.0.0.1:0"]) == 7
    (loaded,) = received
    assert getattr(loaded, "settings").listen == ("127.0.0.1:0",)  # noqa: B009


def test_the_program_and_the_module_are_the_same() -> None:
    result = subprocess.run([*PROGRAM, "bogus"], check=False, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("sidecar: No such command")


_PRINTS_WITHOUT_FLUSHING = """
import sys, types, click
from sidecar.cli.main import main
module = types.ModuleType("sidecar.cli.demo")
module.command = click.command("demo")(lambda: print("x"))
sys.modules["sidecar.cli.demo"] = module
main(["demo"])
"""


@pytest.mark.parametrize(
    "program",
    [[*PROGRAM, "config", "schema"], [sys.executable, "-c", _PRINTS_WITHOUT_FLUSHING]],
    ids=["while it writes", "at its end"],
)
def test_a_reader_that_goes_away_ends_the_program_quietly(program: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    result = subprocess.run(
        program, check=False, env=buffered, stdout=write_end, stderr=subprocess.PIPE
    )
    os.close(write_end)
    assert result.returncode == 128 + signal.SIGPIPE
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        (">&-", "version compare v1 v2", 0),
        (">&- 2>&-", "bogus", 2),
        ("2>&-", "bogus", 2),
        ("<&- >&- 2>&-", "config schema", 0),
        ("<&-", "token mint --key /dev/null --ttl 1h", 2),
        ("<&-", "token inspect --keyring /dev/null -", 3),
    ],
)
def test_a_closed_stream_changes_no_exit_code(closed: str, arguments: str, code: int) -> None:
    result = subprocess.run(
        ["/bin/sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, *arguments.split()],
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr
