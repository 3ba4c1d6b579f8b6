"""``sidecar version``, on real repositories."""

import itertools
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.cli.main import run_command_line
from sidecar.cli.version import read_stamp
from sidecar.versions.order import Order, compare
from sidecar.versions.version import parse_version

Git = Callable[..., str]

pytestmark = pytest.mark.needs_tool("git")


@pytest.fixture(autouse=True)
def _no_outer_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and no repository around the test's own, plays a part."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, without a tag."""
    place = tmp_path / "service"
    place.mkdir()
    git(place, "init", "--quiet")
    (place / "code.txt").write_text("1\n")
    commit(place)
    return place


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
    command_line = ["git", *identity, "-C", str(place), *arguments]
    return subprocess.run(command_line, check=True, capture_output=True, text=True).stdout.strip()


def commit(place: Path) -> str:
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--allow-empty", "--message", "A step")
    return git(place, "rev-parse", "HEAD")


def stamp(place: Path, form: str = "env") -> int:
    return run_command_line(["version", "stamp", "--format", form, "--directory", str(place)])


def test_a_tagged_commit_is_stamped_with_its_tag(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    assert stamp(repository) == 0
    sha = git(repository, "rev-parse", "HEAD")
    assert capsys.readouterr().out == f"VERSION_NAME=v2.3\nVERSION_SHA={sha}\n"


def test_a_later_commit_says_how_far_it_is_from_the_tag(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    commit(repository)
    sha = commit(repository)
    assert stamp(repository, "json") == 0
    found = json.loads(capsys.readouterr().out)
    described = git(repository, "describe", "--tags")
    assert found == {"version": described, "commit": sha, "dirty": False}
    assert found["version"].startswith("v2.3-2-g")
    assert len(found["commit"]) == 40


def test_build_args_are_words_for_a_build(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    assert stamp(repository, "build-args") == 0
    sha = git(repository, "rev-parse", "HEAD")
    assert capsys.readouterr().out.split() == [
        "--build-arg",
        "VERSION_NAME=v2.3",
        "--build-arg",
        f"VERSION_SHA={sha}",
    ]


def test_a_tag_cannot_smuggle_a_command_into_a_shell(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = "v1;$(touch$IFS.pwned)"
    git(repository, "tag", tag)
    assert stamp(repository) == 0
    first_line = capsys.readouterr().out.splitlines()[0]
    assert shlex.split(first_line) == [f"VERSION_NAME={tag}"]


def test_changes_that_no_commit_holds_are_marked_and_warned_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    (repository / "code.txt").write_text("2\n")
    assert stamp(repository) == 0
    said = capsys.readouterr()
    assert "VERSION_NAME=v2.3-dirty\n" in said.out
    assert "changes that the commit does not hold" in said.err
    assert stamp(repository, "json") == 0
    assert json.loads(capsys.readouterr().out)["dirty"] is True


def test_a_file_that_git_does_not_know_is_no_change_of_the_version(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    (repository / "notes.txt").write_text("mine\n")
    assert stamp(repository) == 0
    said = capsys.readouterr()
    assert "VERSION_NAME=v2.3\n" in said.out
    assert said.err == ""


def test_a_tag_that_has_no_order_is_warned_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that git prefers of two on a commit, for one."""
    git(repository, "tag", "v2.3")
    git(repository, "tag", "latest")
    assert stamp(repository) == 0
    said = capsys.readouterr()
    assert "VERSION_NAME=latest\n" in said.out
    assert said.err.startswith("sidecar: warning: 'latest' names no number that could be ordered;")
    assert said.err.count("\n") == 1


def could_not_find_out(place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert stamp(place) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_outside_a_repository_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "not a git repository" in could_not_find_out(tmp_path, capsys)


def test_a_repository_without_a_commit_has_no_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "--quiet")
    assert "there is no commit yet" in could_not_find_out(tmp_path, capsys)


def test_a_repository_without_a_tag_has_no_version(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "has a tag" in could_not_find_out(repository, capsys)


def test_a_tag_on_another_branch_is_not_this_version(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "checkout", "--quiet", "-b", "other")
    commit(repository)
    git(repository, "tag", "v9")
    git(repository, "checkout", "--quiet", "-")
    assert "has a tag" in could_not_find_out(repository, capsys)


def shallow_clone(repository: Path) -> Path:
    copy = repository.with_name("copy")
    git(repository, "clone", "--quiet", "--depth=1", f"file://{repository}", str(copy))
    return copy


def test_a_shallow_clone_is_refused_and_the_remedy_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v2.3")
    commit(repository)
    said = could_not_find_out(shallow_clone(repository), capsys)
    assert "git fetch --unshallow --tags" in said


def test_a_shallow_clone_of_a_tagged_commit_is_good_enough(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repository)
    git(repository, "tag", "v2.4")
    assert stamp(shallow_clone(repository)) == 0
    assert "VERSION_NAME=v2.4\n" in capsys.readouterr().out


def test_without_git_it_says_so(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert "git is not installed" in could_not_find_out(repository, capsys)
    (repository / "git").write_text("no program\n")
    assert "git cannot be run" in could_not_find_out(repository, capsys)


def test_a_directory_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert stamp(tmp_path / "nowhere") == 2


def test_show_says_what_the_image_was_stamped_with(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION_NAME", "v2.3")
    monkeypatch.setenv("VERSION_SHA", "0" * 40)
    monkeypatch.setenv("SIDECAR_SERVICE", "thoughts-backend")
    assert run_command_line(["version", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "service": "thoughts-backend",
        "version": "v2.3",
        "commit": "0" * 40,
        "sidecar": __version__,
    }


def test_show_of_an_image_without_a_stamp_is_unknown_and_exits_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION_NAME", "BAD VERSION")
    monkeypatch.delenv("VERSION_SHA", raising=False)
    assert run_command_line(["version", "show"]) == 1
    assert "version  unknown\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("v2.3", "v2.10", "<"),
        ("v2.3", "2.3.0", "="),
        ("v2.3-17-g2257f9c", "v2.3", ">"),
        ("v2.3-17-g2257f9c", "v2.4", "<"),
        ("2026.11.23", "2026-11-24", "<"),
        ("1.0.0-rc.1", "1.0.0", "<"),
    ],
)
def test_compare_prints_the_order(
    one: str, other: str, sign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["version", "compare", one, other]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{sign}\n", "")


@pytest.mark.parametrize("other", ["latest", "2257f9c", "release-9", ""])
def test_compare_of_what_has_no_order_says_so_and_exits_3(
    other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["version", "compare", "v2.3", other]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("sidecar: there is no order: ")


def test_the_order_agrees_with_the_history_that_git_describes(repository: Path) -> None:
    """What git says of each commit, from the first tag to the last, grows step by step."""
    history = []
    for tag in ("v1.9", None, None, "v1.10-rc1", None, "v1.10", None, "v2.0"):
        commit(repository)
        if tag is not None:
            git(repository, "tag", tag)
        history.append(read_stamp(repository).version)
        (repository / "code.txt").write_text("x" * len(history))
        history.append(read_stamp(repository).version)
    assert history[:4] == ["v1.9", "v1.9-dirty", history[2], f"{history[2]}-dirty"]
    assert history[2].startswith("v1.9-1-g")
    versions = [parse_version(text) for text in history]
    for older, newer in itertools.combinations(versions, 2):
        assert compare(older, newer) is Order.OLDER, (older, newer)
