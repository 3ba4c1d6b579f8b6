"""YAML is read with its line numbers, without the traps of YAML 1.1, and within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.document import MAX_FILE_BYTES, parse_document
from sidecar.errors import ConfigError


def plain(text: str) -> object:
    problems: list[str] = []
    written = parse_document(text.encode(), "x.yaml", problems)
    assert problems == []
    return written.plain()


def refusal(content: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_document(content.encode() if isinstance(content, str) else content, "x.yaml", [])
    (problem,) = caught.value.problems
    assert "\n" not in problem
    return problem


def refusal_or_nothing(content: bytes) -> str:
    try:
        parse_document(content, "x.yaml", [])
    except ConfigError as error:
        return error.detail
    return ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("15:06", "15:06"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11", "2026-11"),
        ("48h", "48h"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("010", 10),
        ("-5", -5),
        ("1e3", 1000.0),
        ("1e400", float("inf")),
        ("9" * 5000, float("inf")),
        ("[a, 1]", ["a", 1]),
        ("{b: {}}", {"b": {}}),
    ],
)
def test_plain_words_mean_what_they_look_like(text: str, value: object) -> None:
    assert plain(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\ufeff", "---\n"])
def test_a_file_that_says_nothing_has_no_settings(text: str) -> None:
    assert plain(text) in ({}, None)


def test_every_value_knows_its_line() -> None:
    written = parse_document(b"a: 1\nb:\n  - c\n  - d: 2\n", "x.yaml", [])
    assert written.value["a"].origin == "file x.yaml:1"
    assert written.value["b"].value[1].value["d"].origin == "file x.yaml:4"


def test_a_syntax_error_is_one_line_with_line_and_column() -> None:
    assert refusal("a: 1\nb: [1, 2\nc: 3\n").startswith("x.yaml:3:2: is not YAML: ")
    assert refusal("a: 1\n\tb: 2\n").startswith("x.yaml:2:1: is not YAML: ")
    assert refusal("a: 1\nb: \x01\n").startswith("x.yaml:2: is not YAML")


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    assert refusal(b"a: 1\nb: \xff\n") == "x.yaml:2: is not UTF-8 text"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: !!python/object:os.system x", "tags"),
        ("a: !!str 5", "tags"),
        ("!!str a: 5", "plain text"),
        ("[a]: 5", "plain text"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "merge keys"),
        ("a: *x", "no anchor"),
        ("a: &x [*x]", "no anchor"),
        ("a: 1\n---\nb: 2", "second document"),
        ("[" * 40 + "]" * 40, "nested"),
        ("[" * 200_000, "is not YAML|nested"),
        ("- " * 200_000, "is not YAML|nested"),
    ],
)
def test_parts_of_yaml_that_configuration_has_no_use_for_are_refused(text: str, says: str) -> None:
    problem = refusal(text)
    assert any(each in problem for each in says.split("|"))
    assert problem.startswith("x.yaml:")


def test_an_alias_repeats_a_value() -> None:
    assert plain("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


def test_aliases_that_expand_without_end_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "more than 100000 values" in refusal("\n".join(lines))


def test_a_file_of_more_than_one_mebibyte_is_refused() -> None:
    assert "larger than 1 MiB" in refusal(b"#" * (MAX_FILE_BYTES + 1))
    assert plain("#" * MAX_FILE_BYTES) == {}


def test_a_name_that_is_written_twice_is_reported_with_both_lines_and_reading_goes_on() -> None:
    problems: list[str] = []
    written = parse_document(b"a:\n  b: 1\n  b: 2\na: 3\nc: 4\n", "x.yaml", problems)
    assert problems == [
        "a.b: is written twice (file x.yaml:2 and file x.yaml:3)",
        "a: is written twice (file x.yaml:2 and file x.yaml:4)",
    ]
    assert written.value["c"].value == 4


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused_with_one_line(content: bytes) -> None:
    assert "\n" not in refusal_or_nothing(content)


@given(st.text(alphabet="[]{}:,-&*!|>'\"%@`#?<=~ \nab0.", max_size=60))
def test_any_arrangement_of_yaml_signs_is_read_or_refused(text: str) -> None:
    assert "\n" not in refusal_or_nothing(text.encode())
