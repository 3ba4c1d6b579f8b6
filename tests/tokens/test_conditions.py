"""What a rule can demand of claims."""

import pytest

from sidecar.errors import ConfigError
from sidecar.tokens.conditions import parse_condition


def holds(wanted: object, **claims: object) -> bool:
    return parse_condition("role", wanted).holds(claims)


@pytest.mark.parametrize("value", ["admin", 7, 1.5, True, False, None, ""])
def test_a_scalar_means_equal(value: object) -> None:
    assert holds(value, role=value)
    assert not holds(value, role="other")
    assert not holds(value)


@pytest.mark.parametrize(
    ("wanted", "held"),
    [(1, True), (True, 1), (0, False), ("1", 1), (1, "1"), ("admin", ["admin"]), ("", None)],
)
def test_values_of_different_types_are_never_equal(wanted: object, held: object) -> None:
    assert not holds(wanted, role=held)
    assert not holds([wanted], role=held)


def test_one_number_has_one_value_however_it_is_written() -> None:
    assert holds(1, role=1.0)


def test_a_list_means_one_of() -> None:
    assert holds(["admin", "editor"], role="editor")
    assert not holds(["admin", "editor"], role="reader")
    assert not holds(["admin", "editor"])
    assert not holds(["admin", "editor"], role=["admin"])


def test_contains_looks_into_lists_and_scopes() -> None:
    wanted = {"contains": "admin"}
    assert holds(wanted, role=["reader", "admin"])
    assert holds(wanted, role="reader admin")
    assert not holds(wanted, role=["administrator"])
    assert not holds(wanted, role="administrator reader")
    assert not holds(wanted, role={"admin": True})
    assert not holds(wanted)
    assert not holds({"contains": 1}, role=[True, "1"])
    assert not holds({"contains": ""}, role="a  b")


@pytest.mark.parametrize(
    "wanted", [[], [[]], {}, {"contains": ["a"]}, {"contain": "a"}, {"contains": "a", "x": 1}]
)
def test_anything_else_is_refused_with_the_claims_name(wanted: object) -> None:
    with pytest.raises(ConfigError, match=r"^role: "):
        parse_condition("role", wanted)
