"""Tables fit the terminal, and are whole where their output goes elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.table import format_table

COLUMNS = ("name", "state", "why")
ROWS = [
    ("users-backend", "unsatisfied", "v2.2 is older than v2.3, which this service needs"),
    ("mail", "satisfied", ""),
]
WORDS = st.text("abcdefgh -", min_size=1, max_size=70)


def test_where_there_is_room_each_row_is_one_line() -> None:
    assert format_table(COLUMNS, ROWS).splitlines() == [
        "NAME           STATE        WHY",
        "users-backend  unsatisfied  v2.2 is older than v2.3, which this service needs",
        "mail           satisfied",
    ]


def test_the_longest_texts_are_broken_first() -> None:
    assert format_table(COLUMNS, ROWS, 50).splitlines() == [
        "NAME           STATE        WHY",
        "users-backend  unsatisfied  v2.2 is older than",
        "                            v2.3, which this",
        "                            service needs",
        "mail           satisfied",
    ]


def test_where_columns_would_become_too_narrow_each_row_is_a_block() -> None:
    assert format_table(COLUMNS, ROWS, 28).splitlines() == [
        "NAME   users-backend",
        "STATE  unsatisfied",
        "WHY    v2.2 is older than",
        "       v2.3, which this",
        "       service needs",
        "",
        "NAME   mail",
        "STATE  satisfied",
        "WHY",
    ]


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=4), st.integers(20, 120))
def test_no_line_is_wider_than_the_terminal_and_no_letter_is_lost(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    table = format_table(COLUMNS, rows, width)

    assert all(len(line) <= width for line in table.splitlines())
    assert letters(table) == sorted(
        letters("".join(map("".join, rows))) + letters(head(table, rows))
    )


def letters(text: str) -> list[str]:
    return sorted(letter for letter in text if not letter.isspace())


def head(table: str, rows: list[tuple[str, str, str]]) -> str:
    """The names of the columns, as often as they stand there."""
    times = len(rows) if table.count("NAME") > 1 else 1
    return "".join(COLUMNS).upper() * times


@pytest.mark.parametrize("width", [None, 40])
def test_a_table_without_rows_is_its_head(width: int | None) -> None:
    assert format_table(COLUMNS, [], width) == "NAME  STATE  WHY"
