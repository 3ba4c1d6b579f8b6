"""A ledger's memory never forgets what a verdict may rest on, and believes nothing damaged."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import MemoryUnusable
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.record import Record, parse_record
from sidecar.rotation.snapshot import (
    RECORD_AHEAD_S,
    must_be_recorded,
    restore_ledger,
    take_record,
)
from sidecar.rotation.subjects import Subjects

NOW = 1_800_000_000.0
SCOPE = "POST /login json Authorization"


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    issued_at: int | None = int(NOW)
    expires_at: int | None = int(NOW) + 605
    digest: bytes = b"0123456789abcdef"


def ledger(unwatched_until: float | None = None) -> Ledger:
    issuing = Issuing(scope=SCOPE, unwatched_until=unwatched_until)
    return Ledger(observing_since=NOW - 100, leeway_s=30, issuing=issuing, subjects=Subjects())


def issuing_of(book: Ledger) -> Issuing:
    assert book.issuing is not None
    return book.issuing


def reread(record: Record) -> Record:
    return parse_record(json.loads(json.dumps(record.document())))


def restored(record: Record, scope: str | None = SCOPE) -> Ledger:
    return restore_ledger(reread(record), leeway_s=30, scope=scope, unwatched_until=NOW + 50)


def filled() -> Ledger:
    book = ledger(unwatched_until=NOW - 33)
    book.accepted(Token("a"), NOW)
    book.rejected("expired", "old", "a", True, NOW + 1, issued_at=int(NOW) + 3)
    book.rejected("missing", "none", None, False, NOW + 1)
    issuing = issuing_of(book)
    issuing.issued(Token("a"), NOW)
    issuing.issued(Token("b", expires_at=None), NOW)
    issuing.issued_unknown(None, int(NOW) + 70, NOW)
    issuing.refused("a")
    issuing.unreadable_answer("too_large", NOW - 35)
    return book


def test_a_ledger_that_ended_cleanly_goes_on_where_it_was() -> None:
    book = filled()
    later = restored(take_record(book, NOW, is_final=True))
    now = NOW + 5
    assert later.observing_since == book.observing_since
    assert later.rejections == book.rejections
    assert later.evidence("ab", now) == book.evidence("ab", now)
    assert issuing_of(later).watch() == issuing_of(book).watch()
    assert issuing_of(later).unreadable == issuing_of(book).unreadable


def test_what_was_said_last_is_not_said_by_the_next_run() -> None:
    book = filled()
    issuing_of(book).end(NOW)
    assert issuing_of(restored(take_record(book, NOW, is_final=True))).ended_at is None


def test_a_record_holds_no_digest_and_no_subject() -> None:
    book = filled()
    assert book.subjects is not None
    book.subjects.note("a", {"sub": "ann"}, NOW)
    text = json.dumps(take_record(book, NOW).document())
    assert "ann" not in text
    assert b"0123456789abcdef".hex() not in text


def test_expiries_stand_in_a_record_ahead_and_do_not_drift() -> None:
    book = ledger()
    issuing_of(book).issued(Token("a"), NOW)
    once = restored(take_record(book, NOW))
    assert issuing_of(once).watch().of("a").latest_expiry_at == NOW + 610
    twice = restored(take_record(once, NOW))
    assert issuing_of(twice).watch().of("a").latest_expiry_at == NOW + 610


# --- when a record must be written -----------------------------------------------------------


def test_nothing_is_handed_out_before_there_is_a_record() -> None:
    assert must_be_recorded(None, issuing_of(ledger()))
    assert not must_be_recorded(take_record(ledger(), NOW), issuing_of(ledger()))


def test_the_first_token_of_a_key_is_recorded_first() -> None:
    book = ledger()
    record = take_record(book, NOW)
    issuing_of(book).issued(Token("a"), NOW)
    assert must_be_recorded(record, issuing_of(book))


def test_a_record_covers_tokens_for_a_while() -> None:
    book = ledger()
    issuing_of(book).issued(Token("a"), NOW)
    record = take_record(book, NOW)
    issuing_of(book).issued(Token("a", int(NOW) + 5, int(NOW) + 610), NOW + 5)
    assert not must_be_recorded(record, issuing_of(book))
    issuing_of(book).issued(Token("a", int(NOW) + 6, int(NOW) + 611), NOW + 6)
    assert must_be_recorded(record, issuing_of(book))


@pytest.mark.parametrize(
    "token",
    [
        Token("a", expires_at=None),
        Token("a", issued_at=int(NOW) + 11, expires_at=int(NOW)),  # the newest iat grows too old
        Token("a", issued_at=int(NOW) - 1, expires_at=int(NOW)),  # an earlier first issue
    ],
)
def test_what_a_verdict_rests_on_is_recorded_first(token: Token) -> None:
    book = ledger()
    issuing_of(book).issued(Token("a"), NOW)
    record = take_record(book, NOW)
    issuing_of(book).issued(token, NOW)
    assert must_be_recorded(record, issuing_of(book))


def test_going_back_to_an_older_key_is_recorded_first() -> None:
    book = ledger()
    issuing_of(book).issued(Token("a"), NOW)
    issuing_of(book).issued(Token("b", issued_at=int(NOW) + 3), NOW + 3)
    record = take_record(book, NOW + 3)
    issuing_of(book).issued(Token("a", int(NOW) + 2), NOW + 4)
    assert not must_be_recorded(record, issuing_of(book))
    issuing_of(book).issued(Token("a", int(NOW) + 3), NOW + 4)
    assert must_be_recorded(record, issuing_of(book))


def test_an_unreadable_answer_is_recorded_first() -> None:
    book = ledger()
    record = take_record(book, NOW)
    issuing_of(book).unreadable_answer("no_json", NOW)
    assert must_be_recorded(record, issuing_of(book))


steps = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 100), st.booleans()),
    max_size=30,
)


@given(steps)
def test_a_crash_after_any_token_forgets_nothing_that_counts(
    handed_out: list[tuple[str, int, int, bool]],
) -> None:
    book, now = ledger(), NOW
    record: Record | None = None
    issuing = issuing_of(book)
    for key_id, passes, lifetime, is_bounded in handed_out:
        now += passes
        expires_at = int(now) + lifetime if is_bounded else None
        issuing.issued(Token(key_id, int(now), expires_at), now)
        if must_be_recorded(record, issuing):
            record = take_record(book, now)
        assert record is not None
        before, after = issuing.watch(), issuing_of(restored(record)).watch()
        for key in before.issued:
            was, remembered = before.of(key), after.of(key)
            assert remembered.first_issued_at == was.first_issued_at
            assert (remembered.latest_expiry_at or 0) >= (was.latest_expiry_at or 0)
            assert (remembered.latest_expiry_at or 0) < (was.latest_expiry_at or 0) + 10
            assert remembered.has_unbounded == was.has_unbounded
            newest, known = was.newest_issued_at, remembered.newest_issued_at
            assert newest is not None
            assert known is not None
            assert newest - RECORD_AHEAD_S <= known <= newest
            for other in before.issued.values():
                first = other.first_issued_at
                assert first is not None
                if other is not was:
                    assert (newest > first) == (known > first)


# --- what is believed ------------------------------------------------------------------------


def test_memory_of_other_paths_says_nothing_about_these() -> None:
    later = restored(take_record(filled(), NOW), scope="POST /other")
    assert issuing_of(later).watch().issued == {}
    assert issuing_of(later).unwatched_until == NOW + 50
    assert later.usage("a").accepted_total == 1
    assert must_be_recorded(take_record(filled(), NOW), issuing_of(later))


def test_where_nothing_is_watched_any_more_nothing_is_remembered_of_it() -> None:
    assert restored(take_record(filled(), NOW), scope=None).issuing is None


def test_watching_that_begins_later_is_not_whole() -> None:
    book = Ledger(observing_since=NOW, leeway_s=30)
    assert issuing_of(restored(take_record(book, NOW))).unwatched_until == NOW + 50


@pytest.mark.parametrize(
    "document",
    [None, [], "text", 1, {}, {"format": "other"}, {"format": "sidecar-ledger"}],
)
def test_what_is_no_ledger_is_refused(document: object) -> None:
    with pytest.raises(MemoryUnusable):
        parse_record(document)


@pytest.mark.parametrize("version", [0, 2, 1.0, True, "1", None])
def test_another_version_is_refused(version: object) -> None:
    document = take_record(filled(), NOW).document() | {"version": version}
    with pytest.raises(MemoryUnusable, match="another version"):
        parse_record(document)


def paths(value: object, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within a document."""
    found = [way] if way else []
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)  # type: ignore[assignment]
    return found + [deeper for key, inner in items for deeper in paths(inner, (*way, key))]


DOCUMENT = json.loads(json.dumps(take_record(filled(), NOW).document()))
WRONG = (-1, "text", [1], {"more": -1}, float("nan"), float("inf"), 10**30, 10**400, True)


@pytest.mark.parametrize("way", paths(DOCUMENT), ids=lambda way: ".".join(map(str, way)))
def test_damage_anywhere_is_noticed_or_harmless(way: tuple[Any, ...]) -> None:
    for wrong in WRONG:
        document = json.loads(json.dumps(DOCUMENT))
        place = document
        for step in way[:-1]:
            place = place[step]
        if type(place[way[-1]]) is type(wrong) and wrong in (True, "text"):
            continue  # another flag or another word is no damage that anybody could see
        if way[-1] == "longest_lifetime_s" and wrong == -1:
            continue
        place[way[-1]] = wrong
        with pytest.raises(MemoryUnusable):
            parse_record(document)


@pytest.mark.parametrize("way", paths(DOCUMENT), ids=lambda way: ".".join(map(str, way)))
def test_a_member_that_is_missing_or_too_many_is_noticed(way: tuple[Any, ...]) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    place = document
    for step in way[:-1]:
        place = place[step]
    is_table = way[-2:-1] in (("presented",), ("keys",), ("refused_totals",), ("unreadable",))
    if isinstance(place, list) or is_table:
        return
    del place[way[-1]]
    with pytest.raises(MemoryUnusable):
        parse_record(document)


def test_a_page_whose_numbers_contradict_each_other_is_refused() -> None:
    for changes in ({"first_issued_at": NOW + 1}, {"first_issued_at": None}, {"total": 0}):
        document = json.loads(json.dumps(DOCUMENT))
        document["issuing"]["keys"]["a"] |= changes
        with pytest.raises(MemoryUnusable):
            parse_record(document)
