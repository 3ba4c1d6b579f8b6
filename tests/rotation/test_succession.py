"""Which statements end a key's time as a signer."""

from sidecar.rotation.succession import Statement, Succession


def ending(
    key_id: str, statements: dict[str, float], newest: str = "c", ids: str = "abc"
) -> list[tuple[str, float]]:
    succession = Succession(ids, newest, statements)
    return [(s.key_id, s.since) for s in succession.statements_ending(key_id)]


def test_every_newer_keys_statement_ends_a_key_earliest_first() -> None:
    assert ending("a", {"c": 20, "b": 10}) == [("b", 10), ("c", 20)]


def test_an_older_keys_statement_ends_nothing() -> None:
    assert ending("b", {"a": 10}) == []


def test_a_later_statement_about_the_key_itself_takes_the_end_back() -> None:
    assert ending("a", {"b": 10, "a": 15}) == []
    assert ending("a", {"b": 10, "a": 15, "c": 20}) == [("c", 20)]


def test_a_statement_about_a_key_that_the_ring_does_not_have_is_as_if_absent() -> None:
    assert ending("a", {"z": 10}) == []


def test_where_the_natural_order_does_not_tell_ages_only_the_newest_keys_statement_counts() -> None:
    assert ending("a", {"c": 10, "b": 20}, newest="b") == [("b", 20)]
    assert ending("c", {"b": 20, "a": 10}, newest="b") == [("b", 20)]


def test_the_newest_key_comes_last_whatever_its_name() -> None:
    assert Succession("abc", "a", {}).key_ids == ("b", "c", "a")


def test_an_empty_ring_has_no_succession() -> None:
    assert Succession((), None, {"a": 1}).key_ids == ()


def test_a_statement_is_found_by_its_key() -> None:
    succession = Succession("ab", "b", {"b": 10})
    assert succession.statement_of("b") == Statement("b", 10)
    assert succession.statement_of("a") is None
