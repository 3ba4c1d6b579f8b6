"""The ledger of what is handed out remembers the extremes of every key, and nothing of a token."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sidecar.rotation.evidence import NOTHING_ISSUED
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.moment import LAST_MOMENT

NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    issued_at: int | None = int(NOW)
    expires_at: int | None = int(NOW) + 600


def book(unwatched_until: float | None = None) -> Issuing:
    return Issuing(scope="POST /login", unwatched_until=unwatched_until)


moments = st.one_of(st.none(), st.integers(int(NOW), int(NOW) + 10_000))
tokens = st.builds(Token, st.sampled_from("ab"), moments, moments)


@given(st.lists(tokens, max_size=40))
def test_a_keys_page_holds_the_extremes_of_all_that_was_handed_out(handed_out: list[Token]) -> None:
    issuing = book()
    for token in handed_out:
        issuing.issued(token, NOW + 0.5)
    watch = issuing.watch()
    for key_id in "ab":
        mine = [token for token in handed_out if token.key_id == key_id]
        at = [int(NOW) if token.issued_at is None else token.issued_at for token in mine]
        expiries = [token.expires_at for token in mine if token.expires_at is not None]
        page = watch.of(key_id)
        assert page.total == len(mine)
        assert page.first_issued_at == min(at, default=None)
        assert page.newest_issued_at == max(at, default=None)
        assert page.latest_expiry_at == max(expiries, default=None)
        assert page.has_unbounded == any(token.expires_at is None for token in mine)


def test_a_token_of_a_key_that_nobody_has_is_counted_apart() -> None:
    issuing = book()
    issuing.issued_unknown(int(NOW), int(NOW) + 60, NOW)
    watch = issuing.watch()
    assert (watch.issued, watch.unknown.total) == ({}, 1)
    assert watch.unknown.longest_lifetime_s == 60


def test_a_token_that_is_held_back_was_not_handed_out() -> None:
    issuing = book()
    issuing.refused("a")
    page = issuing.watch().of("a")
    assert (page.refused_total, page.total, page.newest_issued_at) == (1, 0, None)


def test_an_unreadable_answer_ends_the_whole_watching_until_now() -> None:
    issuing = book()
    assert issuing.watch().unwatched_until is None
    issuing.unreadable_answer("no_json", NOW)
    issuing.unreadable_answer("no_json", NOW - 5)
    assert issuing.watch().unwatched_until == NOW
    assert issuing.unreadable == {"no_json": 2}


def test_the_last_word_is_said_once() -> None:
    issuing = book()
    issuing.end(NOW)
    issuing.end(NOW + 1)
    assert issuing.watch().ended_at == NOW


def test_a_date_that_no_clock_shows_is_clamped() -> None:
    issuing = book()
    issuing.issued(Token("a", -(10**400), 10**400), NOW)
    page = issuing.watch().of("a")
    assert (page.first_issued_at, page.latest_expiry_at) == (0, LAST_MOMENT)


def test_a_key_of_which_nothing_was_handed_out_has_an_empty_page() -> None:
    assert book().watch().of("a") == NOTHING_ISSUED
