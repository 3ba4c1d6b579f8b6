"""Scrapes and disappearances, entered one by one, become runs and who is waited for."""

import pytest

from sidecar.rotation.evidence import Watch
from sidecar.rotation.history import History
from sidecar.rotation.replica import Replica
from tests.rotation.fleets import ring, verifier

INTERVAL_S = 30.0


@pytest.fixture
def history() -> History:
    return History(INTERVAL_S)


def run(at: float, since: float = 0.0, ended_at: float | None = None) -> Replica:
    watch = Watch(ended_at=ended_at)
    return verifier("users-0", scraped_at=at, observing_since=since, watch=watch)


def test_a_run_is_what_its_last_scrape_said(history: History) -> None:
    history.heard(run(30))
    last = run(60)
    history.heard(last)
    assert history.replicas == (last,)


def test_a_new_run_under_a_name_ends_the_one_before(history: History) -> None:
    history.heard(run(30))
    history.heard(run(90, since=70))
    assert [(r.observing_since, r.gone_at) for r in history.replicas] == [(0, 70), (70, None)]


def test_whoever_is_listed_and_silent_is_waited_for(history: History) -> None:
    history.heard(run(30))
    history.silent("users", "users-0", 60)
    history.silent("users", "users-1", 60)
    fleet = history.fleet(("old", "young"), 60, 0)
    assert [who.place for who in fleet.waited_for] == ["users/users-1", "thoughts/users-0"]

    history.heard(run(90))
    history.gone("users-1", 90)
    fleet = history.fleet(("old", "young"), 90, 0)
    assert fleet.waited_for == ()
    assert fleet.replicas[0].gaps[0].start == 60
    assert fleet.replicas[0].gaps[0].end == 90
    assert [target.gone_at for target in fleet.unscraped] == [90]


def test_after_the_last_word_some_silence_is_only_the_end(history: History) -> None:
    history.heard(run(30, ended_at=29))
    history.silent("users", "users-0", 60)
    assert [who.name for who in history.fleet((), 60, 0).waited_for] == ["users-0"]
    history.gone("users-0", 90)
    assert history.fleet((), 90, 0).unscraped == ()


def test_after_the_last_word_a_long_silence_may_hide_somebody_new(history: History) -> None:
    history.heard(run(30, ended_at=29))
    history.silent("users", "users-0", 60)
    history.gone("users-0", 60 + 4 * INTERVAL_S)
    (target,) = history.fleet((), 300, 0).unscraped
    assert target.gone_at == 60 + 4 * INTERVAL_S


def test_without_a_last_word_silence_before_the_end_is_counted_to_the_end(
    history: History,
) -> None:
    history.heard(run(30))
    history.silent("users", "users-0", 60)
    history.gone("users-0", 90)
    fleet = history.fleet((), 90, 0)
    assert [replica.gone_at for replica in fleet.replicas] == [90]
    assert fleet.unscraped == ()


def test_the_ring_is_that_of_who_is_there(history: History) -> None:
    history.heard(verifier("a", ring=ring("old"), scraped_at=30))
    history.heard(verifier("b", ring=ring("old", "young"), scraped_at=30))
    assert history.fleet(("old", "young"), 30, 0).ring.key_ids == ("old", "young")
    history.gone("b", 60)
    assert history.fleet(("old", "young"), 60, 0).ring.key_ids == ("old",)
