"""The order of keys, their generations, and what is stated about them."""

from itertools import permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.keyring import Keyring, natural_order
from tests.tokens.minting import key


def test_ids_are_ordered_as_people_count() -> None:
    ids = ["key10", "2026-11", "key9", "2026-9", "b", "a", "01", "1"]
    assert sorted(ids, key=natural_order) == [
        "01", "1", "2026-9", "2026-11", "a", "b", "key9", "key10",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=8), unique=True), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_where_it_started(ids: list[str], dice: Random) -> None:
    shuffled = list(ids)
    dice.shuffle(shuffled)
    assert sorted(ids, key=natural_order) == sorted(shuffled, key=natural_order)


def test_the_last_in_natural_order_is_the_newest() -> None:
    ring = Keyring([key("2026-11"), key("2026-9", number=1)])
    assert ring.newest == "2026-11"
    assert list(ring.by_id) == ["2026-9", "2026-11"]
    assert [ring.generation(key_id) for key_id in ring.order] == ["old", "new"]


def test_newest_can_be_named_and_is_then_last_in_order() -> None:
    ring = Keyring([key("a"), key("b", number=1), key("c", number=2)], newest="a")
    assert ring.newest == "a"
    assert ring.order == ("b", "c", "a")
    assert [found.id for found in ring.candidates(None, "RS256")] == ["a", "c", "b"]


def test_a_newest_that_the_ring_lacks_is_as_good_as_none() -> None:
    assert Keyring([key("a"), key("b", number=1)], newest="z").newest == "b"


def test_the_empty_ring_has_no_newest_and_no_candidates() -> None:
    assert Keyring.EMPTY.newest is None
    assert Keyring.EMPTY.candidates(None, "RS256") == ()
    assert Keyring.EMPTY.candidates("a", "RS256") == ()
    assert len(Keyring.EMPTY) == 0


def test_the_first_of_two_keys_with_one_id_is_kept() -> None:
    first, second = key("a"), key("a", number=1)
    assert Keyring([first, second]).by_id["a"] is first


def test_only_keys_that_allow_the_algorithm_are_candidates() -> None:
    ring = Keyring([key("a", "RS256"), key("b", "ES256")])
    assert [found.id for found in ring.candidates(None, "ES256")] == ["b"]
    assert ring.candidates("a", "ES256") == ()
    assert [found.id for found in ring.candidates("a", "PS256")] == ["a"]


def test_the_digest_is_the_same_on_every_replica_with_the_same_keys() -> None:
    keys = [key("a"), key("b", number=1), key("c", "ES256")]
    digests = {Keyring(order).digest for order in permutations(keys)}
    assert len(digests) == 1


def test_the_digest_changes_with_an_id_or_a_key() -> None:
    digests = {
        Keyring.EMPTY.digest,
        Keyring([key("a")]).digest,
        Keyring([key("b")]).digest,
        Keyring([key("a", number=1)]).digest,
        Keyring([key("a"), key("b", number=1)]).digest,
    }
    assert len(digests) == 5


def test_statements_about_keys_that_the_ring_lacks_are_dropped() -> None:
    ring = Keyring([key("a")], signing_since={"a": 1.0, "z": 2.0})
    assert dict(ring.signing_since) == {"a": 1.0}


def test_older_keys_close_at_the_earliest_statement_about_a_newer_one() -> None:
    keys = [key("1"), key("2", number=1), key("3", number=2)]
    ring = Keyring(keys, signing_since={"2": 100.0, "3": 200.0})
    assert dict(ring.closed_since) == {"1": 100.0, "2": 200.0}


def test_a_later_statement_about_an_older_key_takes_its_closing_back() -> None:
    ring = Keyring([key("1"), key("2", number=1)], signing_since={"2": 100.0, "1": 150.0})
    assert dict(ring.closed_since) == {}


def test_where_the_natural_order_does_not_tell_ages_only_the_newest_closes_others() -> None:
    keys = [key("1"), key("2", number=1), key("3", number=2)]
    ring = Keyring(keys, newest="1", signing_since={"3": 100.0, "1": 200.0})
    assert dict(ring.closed_since) == {"2": 200.0, "3": 200.0}
    assert not Keyring(keys, newest="1", signing_since={"3": 100.0}).closed_since
