import io

import click
import pytest

from sidecar.demo.screen import Row, Screen, align, is_plain

ROWS = [Row(("no token", "401 missing"), is_right=True), Row(("valid", "502"), is_right=False)]


def shown(*, plain: bool) -> list[str]:
    lines: list[str] = []
    screen = Screen(lines.append, is_plain=plain)
    screen.heading("Tokens")
    screen.table(("SENT", "ANSWER"), ROWS)
    screen.verdict(f"refused {screen.arrow} accepted", is_right=True)
    screen.line()
    return lines


def test_a_plain_table_has_words_for_marks_and_nothing_but_ascii() -> None:
    assert shown(plain=True) == [
        "\nTokens",
        "         SENT      ANSWER",
        "   ok    no token  401 missing",
        "   WRONG valid     502",
        "   ok    refused -> accepted",
        "",
    ]


def test_a_table_in_colour_says_the_same_with_signs() -> None:
    lines = shown(plain=False)

    assert [click.unstyle(line) for line in lines] == [
        "\nTokens",
        "     SENT      ANSWER",
        "   ✓ no token  401 missing",
        "   ✗ valid     502",
        "   ✓ refused → accepted",
        "",
    ]
    assert lines[2].startswith("   \x1b[32m✓")
    assert "\x1b[31m" in lines[3]


def test_a_paragraph_is_broken_into_indented_lines() -> None:
    lines: list[str] = []
    Screen(lines.append, is_plain=True).paragraph("word " * 40)

    assert len(lines) == 3
    assert all(line.startswith("   word") and len(line) < 100 for line in lines)


def test_every_text_fits_a_narrow_terminal() -> None:
    lines: list[str] = []
    screen = Screen(lines.append, is_plain=True, columns=40)
    screen.heading("The last token of the old key is dead by now")
    screen.paragraph("word " * 20)
    screen.evidence("word " * 20)
    screen.verdict("word " * 20, is_right=True)

    assert all(len(line) < 40 for text in lines for line in text.split("\n"))
    assert lines[-4:][0].startswith("   ok    word")
    assert lines[-1].startswith("         word")


def test_a_table_too_wide_for_the_terminal_becomes_texts() -> None:
    lines: list[str] = []
    cells = ("unsigned, alg none", "401 algorithm_not_allowed", "sidecar")
    Screen(lines.append, is_plain=True, columns=40).table(
        ("TOKEN", "ANSWER", "FROM"), [Row(cells, is_right=True), Row(("x", "y", "z"), False)]
    )

    assert lines == [
        "   ok    unsigned, alg none, 401",
        "         algorithm_not_allowed, sidecar",
        "   WRONG x, y, z",
    ]


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert align([("A", "B"), ("long", ""), ("", "x")]) == ["A     B", "long", "      x"]


class Terminal(io.StringIO):
    """An output that says that it is a terminal."""

    def __init__(self, encoding: str, *, is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding = encoding
        self._is_terminal = is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("output", "environ", "expected"),
    [
        (Terminal("utf-8"), {"TERM": "xterm"}, False),
        (Terminal("UTF8"), {"NO_COLOR": ""}, False),  # no-color.org: set, and not empty
        (Terminal("utf-8"), {"NO_COLOR": "1"}, True),
        (Terminal("utf-8"), {"TERM": "dumb"}, True),
        (Terminal("iso-8859-1"), {}, True),
        (Terminal("utf-8", is_terminal=False), {}, True),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    output: Terminal, environ: dict[str, str], expected: bool
) -> None:
    assert is_plain(output, environ) is expected
