"""``sidecar version``: what this image is stamped with, the stamp for the next, and their order.

Reading git is I/O, so it stands here and not in ``versions``, which only reads what it is given.
"""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click

from sidecar import __version__
from sidecar.cli.help import Example, Group
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.errors import VersionError
from sidecar.versions.stamp import (
    COMMIT_VARIABLE,
    NAME_VARIABLE,
    ServiceVersion,
    stamp_from_environment,
)

_GIT_TIMEOUT_S = 30.0
_DIRTY = "-dirty"


@click.group(
    "version",
    cls=Group,
    examples=(
        Example(
            "Build an image that knows its version:",
            "stamp=$(sidecar version stamp --format build-args) && docker build $stamp .",
        ),
        Example("Which of two is newer?", "sidecar version compare v2.3 v2.3-17-g2257f9c"),
    ),
)
def command() -> None:
    """Show, stamp and compare versions."""


@command.command(
    "compare",
    examples=(
        Example("Tags and git describe:", "sidecar version compare v2.9 v2.10"),
        Example(
            "In a script, where no order is no yes:",
            'case $(sidecar version compare "$VERSION_NAME" v2.3) in\n'
            '  ">" | "=") echo "new enough" ;;\n'
            "  *) exit 1 ;;\n"
            "esac",
        ),
    ),
)
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
def compare(one: str, other: str) -> int:
    """Print <, = or >: how version A stands to version B, < meaning that A is older.

    Exit code 3: there is no order between them (latest, a bare commit, tags of different services).
    """
    from sidecar.versions import order
    from sidecar.versions.version import parse_version

    try:
        found = order.compare(parse_version(one), parse_version(other))
    except VersionError as problem:
        click.echo(f"sidecar: there is no order: {problem.detail}", err=True)
        return COULD_NOT_FIND_OUT
    click.echo(found.value)
    return 0


@command.command(
    "show",
    examples=(Example("In the container of the sidecar:", "sidecar version show"),),
)
@click.option("--json", "as_json", is_flag=True, help="The same object as GET /version.")
def show(as_json: bool) -> int:
    """Say which version of the service this image holds, and which sidecar this is.

    Exit code 1: the image was not stamped, so the service's version is unknown.
    """
    stamp = stamp_from_environment(os.environ)
    shown = {
        "service": os.environ.get("SIDECAR_SERVICE") or "unknown",
        "version": stamp.version,
        "commit": stamp.commit,
        "sidecar": __version__,
    }
    if as_json:
        click.echo(json.dumps(shown, indent=2))
    else:
        for name, value in shown.items():
            click.echo(f"{name:<8} {value}")
    return 0 if stamp.is_known else DOES_NOT_HOLD


@command.command(
    "stamp",
    examples=(
        Example(
            "For the build of an image:",
            "stamp=$(sidecar version stamp --format build-args) && docker build $stamp .",
        ),
        Example("For a shell or an env file:", "sidecar version stamp > version.env"),
    ),
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["env", "build-args", "json"]),
    default="env",
    show_default=True,
    help="env: lines for a shell or an env file; build-args: words for `docker build`.",
)
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="A directory of the repository; default: this one.",
)
def stamp(form: str, directory: Path) -> int:
    """Read a service's version and commit from git, for the build of its image.

    The version is the tag (v2.3), or the tag, the commits since and the commit (v2.3-17-g2257f9c);
    -dirty at its end marks changes that no commit holds. A tag without a place in the order of
    versions is warned of. Exit code 3: git does not tell, for example because there is no tag yet.
    """
    try:
        found = read_stamp(directory)
    except GitSilent as problem:
        click.echo(f"sidecar: the version cannot be read from git: {problem}", err=True)
        return COULD_NOT_FIND_OUT
    for warning in _warnings(found.version):
        click.echo(f"sidecar: warning: {warning}", err=True)
    click.echo(_format(found, form))
    return 0


def _warnings(version: str) -> Iterator[str]:
    from sidecar.versions.version import parse_version

    if version.endswith(_DIRTY):
        yield "there are changes that the commit does not hold"
    try:
        parse_version(version)
    except VersionError as problem:
        # git describe prefers any tag of the commit, be it latest beside v2.3
        yield f"{problem.detail}; what needs a version of this service cannot be judged by it"


class GitSilent(Exception):
    """Git cannot be asked, or has no answer; the text says why."""


def read_stamp(directory: Path) -> ServiceVersion:
    """The version (``git describe --tags --dirty``) and commit of what is checked out there.

    Raises GitSilent outside a repository, before the first commit, without a tag, and for a shallow
    clone, unless a tag stands on its very commit: git would count the commits of a cut-off history.
    """
    is_shallow = _ask_git(directory, "rev-parse", "--is-shallow-repository") == "true"
    try:
        commit = _ask_git(directory, "rev-parse", "--verify", "HEAD^{commit}")
    except GitSilent:
        raise GitSilent("there is no commit yet; git commit makes the first") from None
    if is_shallow:
        try:
            return ServiceVersion(
                _ask_git(directory, "describe", "--tags", "--exact-match", "--dirty"), commit
            )
        except GitSilent:
            remedy = "git fetch --unshallow --tags"
            raise GitSilent(f"this is a shallow clone without its tags; {remedy}") from None
    if not _ask_git(directory, "tag", "--merged", "HEAD"):
        raise GitSilent("no commit up to this one has a tag; git tag v0.1 makes the first")
    return ServiceVersion(_ask_git(directory, "describe", "--tags", "--dirty"), commit)


def _ask_git(directory: Path, *arguments: str) -> str:
    # git is found on the path as for the build script, which calls it too
    command_line = ["git", "-C", str(directory), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            command_line,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise GitSilent("the program git is not installed") from None
    except OSError:
        raise GitSilent("the program git cannot be run") from None
    except subprocess.TimeoutExpired:
        raise GitSilent(f"git did not answer within {_GIT_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        first_line = next(iter(done.stderr.strip().splitlines()), "git failed")
        raise GitSilent(first_line.removeprefix("fatal: "))
    return done.stdout.strip()


def _format(stamp: ServiceVersion, form: str) -> str:
    variables = {NAME_VARIABLE: stamp.version, COMMIT_VARIABLE: stamp.commit}
    if form == "json":
        return json.dumps({**stamp.as_object(), "dirty": stamp.version.endswith(_DIRTY)})
    if form == "build-args":
        # Not quoted: the words come out of $(...), and git allows no space, *, ? or [ in a tag.
        return " ".join(f"--build-arg {name}={value}" for name, value in variables.items())
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
