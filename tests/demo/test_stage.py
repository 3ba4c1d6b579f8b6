"""The picture at the foot of a terminal, as a terminal shows it."""

import io
import re

import click
import pytest

from sidecar.demo.stage import Stage

_TOKENS = re.compile(r"\x1b\[\d+F|\x1b\[J|\x1b\[[\d;]*m|\n|[^\x1b\n]+")


def shown(written: str) -> list[str]:
    """What stands on a terminal that this was written to."""
    lines, row = [""], 0
    for token in _TOKENS.findall(written):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token.endswith("F"):
            row -= int(token[2:-1])
            assert row >= 0
        elif token == "\x1b[J":
            lines[row:] = [""]
        elif not token.startswith("\x1b"):
            lines[row] += token
    return lines[:-1]


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "6")
    return io.StringIO()


def test_lines_stay_and_the_picture_moves_below_them(output: io.StringIO) -> None:
    stage = Stage(output)
    stage.say("one")
    stage.show([[("picture", {})], [("of two lines", {"fg": "green"})]])
    stage.say("two")
    stage.show([[("another", {})]])
    stage.say("three")

    assert shown(output.getvalue()) == ["one", "two", "three", "another"]


def test_an_empty_picture_takes_the_last_one_away(output: io.StringIO) -> None:
    stage = Stage(output)
    stage.show([[("picture", {})]])
    stage.show([])
    stage.say("end")

    assert shown(output.getvalue()) == ["end"]


def test_a_picture_that_is_too_large_is_cut(output: io.StringIO) -> None:
    stage = Stage(output)
    for _ in range(2):
        stage.show([[("0123456789", {}), ("0123456789abc", {"bold": True})]] * 9)

    lines = shown(output.getvalue())
    assert lines == ["0123456789012345678"] * 4
    assert click.unstyle(lines[0]) == lines[0]
