"""The program ``sidecar``: finds the command, and turns whatever goes wrong into a line and a code.

Every module of ``cli`` that is named in COMMANDS has a click command ``command``; it is imported
only when it is called, so that ``--help`` and short commands stay quick and small. A command
returns its exit code (None is 0) or raises. Exit codes: 0 yes or done, 1 the checked thing does not
hold, 2 wrong usage or configuration, 3 could not find out, 70 a mistake in the program, 130
interrupted.

No traceback reaches people unless SIDECAR_LOG_LEVEL is ``debug``; an unforeseen error is named by
its type and place alone, since its text could hold anything.
"""

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from sidecar import __version__
from sidecar.cli.help import Example, Group
from sidecar.errors import (
    ConfigError,
    FetchError,
    FleetError,
    InterceptionError,
    KeyFileError,
    SidecarError,
    TokenError,
    UpstreamError,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Every command, and its line in ``sidecar --help``.
COMMANDS: Mapping[str, str] = {
    "run": "Run the sidecar in front of an application.",
    "demo": "See a whole key rotation in a minute, on this machine.",
    "config": "Check, show and describe the configuration.",
    "keys": "Generate and list keys.",
    "token": "Mint and inspect tokens.",
    "rotate": "See how far a rotation of keys is, and guard its next step.",
    "rules": "Explain which access rule a request falls under.",
    "version": "Show, stamp and compare versions.",
    "deps": "Check what a service needs, and in which order to deploy.",
    "fleet": "See what runs in a fleet, and what may be deployed.",
    "intercept": "Let the kernel redirect connections to the sidecar.",
    "healthcheck": "Ask a sidecar on this machine whether it lives.",
    "drain": "Tell a sidecar on this machine that its end has begun.",
    "completion": "Let the shell complete commands and options.",
}

PROGRAM = "sidecar"

DOES_NOT_HOLD = 1
WRONG_USAGE = 2
COULD_NOT_FIND_OUT = 3
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT
READER_GONE = 141  # 128 + SIGPIPE, what the shell reports of a program that a pipe ended
TERMINATED = 143  # 128 + SIGTERM


class CommandGroup(Group):
    """The top-level group; a command's module is imported when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"sidecar.cli.{cmd_name}")
        assert isinstance(module.command, click.Command)
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from COMMANDS: the modules themselves are not needed for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """The commands, from COMMANDS: a press of a key must not import all of them."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=meaning)
            for name, meaning in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    PROGRAM,
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        Example("See it work on this machine, without any set-up:", "sidecar demo"),
        Example(
            "Put it in front of an application on port 8000:",
            "sidecar run --upstream http://127.0.0.1:8000 --keyring keyring",
        ),
        Example("More about one command:", "sidecar keys generate --help"),
    ),
)
@click.version_option(__version__, message="%(version)s", help="Print the version of sidecar.")
def sidecar() -> None:
    """A sidecar that verifies tokens and knows when an old signing key may go.

    Exit codes of all commands: 0 yes or done, 1 the checked thing does not hold, 2 wrong usage or
    configuration, 3 could not find out, 130 interrupted.
    """


def complete_variable() -> str:
    """The environment variable by which a shell asks what may follow (click's convention)."""
    return f"_{PROGRAM.upper()}_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (of this process, where none is given) and exit with its code."""
    _open_closed_streams()
    _end_on_sigterm()
    code = run_command_line(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    if code == READER_GONE:
        # The interpreter flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _open_closed_streams() -> None:
    """Where the caller has closed a standard stream, let it lead nowhere.

    Python has None in its place, and the system would give its number to the next file or socket.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - until the end
            setattr(sys, name, stream)


def _end_on_sigterm() -> None:
    """For a container's first process, which gets only signals that it handles."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(TERMINATED)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; only SystemExit gets past it."""
    try:
        asked = os.environ.get(complete_variable())
        if asked:
            from click.shell_completion import shell_complete

            return shell_complete(sidecar, {}, PROGRAM, complete_variable(), asked)
        color = False if _wants_no_color() else None  # None: on a terminal
        with sidecar.make_context(PROGRAM, list(arguments), color=color) as context:
            result = sidecar.invoke(context)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except click.ClickException as error:
        return _refuse_usage(error)
    except SidecarError as error:
        return _explain(error)
    except OSError as error:
        return _explain_system(error)
    except Exception as error:
        return _confess(error)


def _wants_no_color() -> bool:
    """Whoever sets NO_COLOR (https://no-color.org), and terminals that know none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _refuse_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return WRONG_USAGE
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f" (see {error.ctx.command_path} --help)"
    _say(error.format_message().rstrip(".") + hint)
    return WRONG_USAGE


def _explain(error: SidecarError) -> int:
    for line in error.problems if isinstance(error, ConfigError) else [error.detail]:
        _say(line)
    if isinstance(error, ConfigError | KeyFileError):
        return WRONG_USAGE
    if isinstance(error, TokenError):
        return DOES_NOT_HOLD
    is_elsewhere = isinstance(error, UpstreamError | FetchError | FleetError | InterceptionError)
    return COULD_NOT_FIND_OUT if is_elsewhere else INTERNAL_ERROR


def _explain_system(error: OSError) -> int:
    """A file or address that cannot be used is wrong usage; a peer that fails us is not."""
    reason = error.strerror or type(error).__name__
    _say(f"{error.filename}: {reason}" if error.filename else reason)
    _trace(error)
    is_network = isinstance(error, ConnectionError | TimeoutError)
    return COULD_NOT_FIND_OUT if is_network else WRONG_USAGE


def _confess(error: Exception) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    _say(f"internal error: {type(error).__name__}{place} (SIDECAR_LOG_LEVEL=debug shows more)")
    _trace(error)
    return INTERNAL_ERROR


def _say(line: str) -> None:
    click.echo(f"sidecar: {line}", err=True)


def _trace(error: BaseException) -> None:
    if os.environ.get("SIDECAR_LOG_LEVEL") == "debug":
        traceback.print_exception(error)
