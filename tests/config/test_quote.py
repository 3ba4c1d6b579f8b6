"""A message shows what was wrong, and never a key, a token or a password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.quote import path_below, quote


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("maybe", "'maybe'"),
        (True, "true"),
        (None, "null"),
        (5, "5"),
        (1.5, "1.5"),
        (10**400, "a huge number"),
        ([], "a list"),
        ({}, "a mapping"),
        ("x" * 61, repr("x" * 60 + "…")),
        ("a\nb", r"'a\nb'"),
    ],
)
def test_a_value_is_shown_short_and_on_one_line(value: object, shown: str) -> None:
    assert quote(value) == shown


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ",
        "eyJhbGciOiJSUzI1NiJ9.eyJ1c2VybmFtZSI6ImEifQ.c2ln",
        "Bearer abc.def.ghi",
        "http://user:pass@host/",
        "http://user:pa@ss@host/",
    ],
)
def test_secrets_are_not_shown_as_value_or_as_name(secret: str) -> None:
    for shown in (quote(secret), path_below("auth", secret)):
        assert "MII" not in shown
        assert "eyJ" not in shown
        assert "def" not in shown
        assert "pa" not in shown.replace("not shown", "")


def test_a_plain_name_is_joined_and_another_is_quoted() -> None:
    assert path_below("auth.claims", "X-User") == "auth.claims.X-User"
    assert path_below("", "service") == "service"
    assert path_below("auth", "a b\n") == r"auth['a b\n']"


@given(st.text(), st.text())
def test_a_path_is_always_one_printable_line(path: str, name: str) -> None:
    assert path_below("", name).isprintable()
    assert path_below("", path).isprintable()
