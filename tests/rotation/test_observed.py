"""An old key goes by what was handed out, once all of it is known and no signer uses it again."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rotation.assumption import Assumption
from sidecar.rotation.evidence import Issued, Watch
from sidecar.rotation.replica import Interval, Replica, Target
from sidecar.rotation.signers import is_closed
from sidecar.rotation.verdict import Basis, State, Verdict, judge, judge_fleet
from tests.rotation.fleets import (
    BEFORE,
    BOUND,
    DECLARE,
    ENFORCE,
    HOUR,
    LEEWAY,
    NOW,
    UNBOUNDED,
    S,
    fleet,
    issued,
    ring,
    seen,
    signer,
    switched,
    verifier,
)

DEAD = S - 60 + HOUR + 2 * LEEWAY  # when the last token of a ``switched`` signer is dead


def old(*replicas: Replica, **changes: Any) -> Verdict:
    return judge_fleet(fleet(*replicas, **changes))["old"]


def rewatched(replica: Replica, **changes: Any) -> Replica:
    """The signer with something else about what was handed out."""
    assert replica.watch is not None
    return replace(replica, watch=replace(replica.watch, **changes))


# --- done with the key -----------------------------------------------------------------------


def test_the_key_goes_when_the_last_token_handed_out_is_dead() -> None:
    before = old(switched(), verifier(), now=DEAD - 1)
    after = old(switched(), verifier(), now=DEAD)
    assert (before.state, before.basis, before.retirable_at) == (
        State.IN_USE,
        Basis.OBSERVED,
        DEAD,
    )
    assert (after.state, after.basis) == (State.RETIRABLE, Basis.OBSERVED)
    assert after.why == (
        "Every replica that hands out tokens is watched and done with this key, and the last one "
        "handed out was dead by 2026-11-23T11:00:00Z: it can go."
    )


def test_without_an_enforced_switch_it_rests_on_signers_that_switch_once() -> None:
    assumptions = old(switched()).assumptions
    assert Assumption.SWITCHES_ONCE in assumptions
    assert Assumption.NOT_SET_BACK in assumptions


def test_a_signer_whose_newest_token_is_of_the_old_key_is_waited_for_and_named() -> None:
    lagging = signer("u-1", issued(BEFORE, S + 100))
    judged = old(switched(), lagging, now=NOW + 1_000 * HOUR, stale_after_s=1e9)
    assert (judged.state, judged.basis) == (State.UNPROVEN, Basis.NONE)
    assert [(m.where, m.what) for m in judged.missing] == [
        ("users/u-1", "its newest token, of 2026-11-23T10:01:40Z, is signed with old")
    ]
    assert "users/u-1" in judged.why


def test_a_signer_that_handed_out_nothing_yet_is_named_with_what_settles_it() -> None:
    judged = old(switched(), signer("u-1"))
    assert judged.basis is Basis.NONE
    assert "one login" in judged.missing[0].what


def test_a_signer_that_goes_back_counts_as_signing_until_it_ends() -> None:
    pages = (issued(BEFORE, S + 30), issued(S, S + 60))
    assert old(signer("u-0", *pages)).basis is Basis.NONE
    assert "several signers" in old(signer("u-0", *pages)).missing[0].what
    ended = Watch(issued={"old": pages[0], "young": pages[1]}, ended_at=S + 70)
    assert old(signer("u-0", watch=ended), switched("u-1")).basis is Basis.OBSERVED


def test_a_sidecar_that_lost_its_memory_does_not_make_a_signer_whole() -> None:
    went_back = signer("u-0", issued(BEFORE, S + 30), issued(S, S + 60), gone_at=S + 100)
    lost = Watch(issued={"young": issued(S + 200, S + 300)}, unwatched_until=S + 100)
    later = signer("u-0", watch=lost, observing_since=S + 100)
    assert old(went_back, later).basis is Basis.NONE


def test_a_pod_is_not_done_because_another_one_of_its_name_was() -> None:
    replaced = switched("u-0", gone_at=S + 100)
    silent = signer("u-0", observing_since=S + 100)
    assert old(replaced, silent).basis is Basis.NONE
    settled = signer("u-0", None, issued(S + 200, S + 300), observing_since=S + 100)
    assert old(replaced, settled).basis is Basis.OBSERVED


def test_two_keys_in_one_second_leave_it_open_which_was_the_last() -> None:
    assert old(signer("u-0", issued(BEFORE, S), issued(S, S))).basis is Basis.NONE
    assert old(signer("u-0", issued(BEFORE, S), issued(S, S + 1))).basis is Basis.OBSERVED


# --- closed to the key -----------------------------------------------------------------------

CLOSING: dict[str, Any] = {"ring": ring("old", "young", stated={"young": S}), "policy": ENFORCE}


def test_an_enforced_switch_settles_a_signer_that_is_idle_or_lags() -> None:
    idle = signer("u-1", **CLOSING)
    lagging = signer("u-2", issued(BEFORE, S + 10), **CLOSING)
    judged = old(switched("u-0", **CLOSING), idle, lagging, now=S + 10 + HOUR + 2 * LEEWAY)
    assert (judged.state, judged.basis) == (State.RETIRABLE, Basis.OBSERVED)
    assert Assumption.SWITCHES_ONCE not in judged.assumptions


@pytest.mark.parametrize(
    ("scraped_at", "basis"),
    [(S + 2 * LEEWAY, Basis.ENFORCED), (S + 2 * LEEWAY + 1, Basis.OBSERVED)],
)
def test_a_door_is_closed_once_it_is_so_on_every_clock(scraped_at: float, basis: Basis) -> None:
    late = signer("u-0", issued(BEFORE, S), scraped_at=scraped_at, **CLOSING)
    assert old(late, now=scraped_at).basis is basis


@given(
    st.integers(0, 60),  # the leeway
    st.floats(-1, 1),  # the signer's clock against the judge's, in leeways
    st.floats(0, 1_000),  # how long after the scrape the token is signed
)
def test_no_token_leaves_a_closed_door(leeway: int, clock: float, later: float) -> None:
    policy = replace(ENFORCE, leeway_s=leeway)
    scraped_at = S + 2 * leeway + 1
    door = signer("u-0", policy=policy, ring=CLOSING["ring"], scraped_at=scraped_at)
    assert is_closed(door, "old", leeway)
    assert not is_closed(replace(door, scraped_at=scraped_at - 1), "old", leeway)
    issued_at = int(scraped_at + later + clock * leeway)
    assert issued_at > S + leeway  # which the switch does not let out


# --- holes in the watching -------------------------------------------------------------------


def test_what_may_have_been_handed_out_unseen_is_bounded_by_the_lifetime() -> None:
    holed = rewatched(switched(), unwatched_until=S)
    judged = old(holed)
    assert (judged.basis, judged.retirable_at) == (Basis.OBSERVED, S + BOUND)
    assert Assumption.LIFETIME_STAYS in judged.assumptions
    assert old(holed, now=S + BOUND, stale_after_s=1e9).state is State.RETIRABLE


@pytest.mark.parametrize(
    "changes",
    [
        {"watched_since": S},
        {"gaps": (Interval(S - 100, S),)},
        {"unscraped": (Target("users", "u-9", gone_at=S),)},
    ],
)
def test_nobody_knows_what_was_handed_out_where_nobody_looked(changes: dict[str, object]) -> None:
    assert old(switched(), **changes).retirable_at == S + BOUND


def test_a_replica_that_nobody_watches_of_a_service_that_hands_out_tokens_is_named() -> None:
    """A rollback has set it to a configuration from before the watching, and to the old key."""
    unwatched = verifier("u-1", service="users")
    judged = old(switched(), unwatched, now=DEAD)
    assert judged.basis is Basis.NONE
    assert [missing.where for missing in judged.missing] == ["users/u-1"]
    assert "auth.issues" in judged.missing[0].what


def test_what_a_replica_handed_out_that_nobody_watched_is_bounded_by_its_end() -> None:
    gone = verifier("u-1", service="users", gone_at=S + 500)
    assert old(switched(), gone).retirable_at == S + 500 + BOUND
    before = verifier("u-1", service="users", gone_at=BEFORE - 1)
    assert old(switched(), before).retirable_at == DEAD


@pytest.mark.parametrize("service", ["", "unknown"])
def test_replicas_that_nobody_named_are_not_taken_for_one_service(service: str) -> None:
    assert old(switched(service=service), verifier(service=service)).retirable_at == DEAD


def test_a_replica_that_takes_tokens_only_leaves_no_hole_when_it_was_never_scraped() -> None:
    target = Target("thoughts", "t-9", gone_at=S)
    assert old(switched(), verifier(), unscraped=(target,)).retirable_at == DEAD


def test_a_signer_that_ends_without_a_last_word_may_have_gone_on_until_then() -> None:
    gone = signer("u-1", issued(BEFORE, S - 60), gone_at=S + 500)
    assert old(switched(), gone).retirable_at == S + 500 + BOUND


def test_a_signer_that_ends_with_a_last_word_or_done_with_the_key_leaves_no_hole() -> None:
    last_word = Watch(issued={"old": issued(BEFORE, S - 60)}, ended_at=S + 500)
    assert old(switched(), signer("u-1", watch=last_word)).retirable_at == DEAD
    assert old(switched(), switched("u-1", gone_at=S + 500)).retirable_at == DEAD


def test_without_an_enforced_lifetime_only_whole_watching_says_yes() -> None:
    lax: dict[str, Any] = {"policy": UNBOUNDED}
    young_watch = {"watched_since": BEFORE, "held_since": {"old": BEFORE + 1}}
    assert old(switched(**lax)).basis is Basis.NONE
    assert old(switched(**lax), **young_watch).retirable_at == DEAD
    gap = (Interval(S - 100, S),)
    assert old(switched(**lax), gaps=gap, **young_watch).basis is Basis.NONE


def test_one_token_without_expiry_handed_out_means_never_without_an_enforced_lifetime() -> None:
    forever = replace(issued(BEFORE, S - 60), has_unbounded=True)
    lax = signer("u-0", forever, issued(S, S + 60), policy=UNBOUNDED)
    judged = old(lax, held_since={"old": BEFORE + 1})
    assert (judged.state, judged.basis) == (State.IN_USE, Basis.NONE)
    strict = signer("u-0", forever, issued(S, S + 60), policy=DECLARE)
    assert old(strict).basis is Basis.OBSERVED


def test_a_key_that_never_signed_may_go_once_all_signers_are_past_it() -> None:
    judged = old(signer("u-0", None, issued(S, S + 60)), held_since={"old": BEFORE + 1})
    assert (judged.state, judged.basis) == (State.RETIRABLE, Basis.OBSERVED)
    assert "no token of it was ever handed out" in judged.why


def test_tokens_that_no_key_verified_may_have_been_the_keys() -> None:
    unknown = issued(S - 500, S - 400, lifetime=2 * HOUR)
    assert (
        old(rewatched(switched(), unknown=unknown)).retirable_at == S - 400 + 2 * HOUR + 2 * LEEWAY
    )


# --- contradictions --------------------------------------------------------------------------


def test_a_token_that_nobody_watched_handed_out_leaves_no_basis() -> None:
    stranger = verifier(presented={"old": seen(S + 100, S + 200)})
    judged = old(switched(), stranger)
    assert (judged.state, judged.basis) == (State.UNPROVEN, Basis.NONE)
    assert "somebody signs who is not watched" in judged.why


def test_a_token_that_lives_longer_than_any_handed_out_leaves_no_basis() -> None:
    stranger = verifier(presented={"old": seen(S - 100, S + 50 * HOUR)})
    assert old(switched(), stranger, held_since={"old": BEFORE + 1}).basis is Basis.NONE


def test_a_token_from_an_unwatched_time_is_no_stranger() -> None:
    early = verifier(presented={"old": seen(S + 100, S + 200)})
    assert old(switched(), early, watched_since=S + 100).basis is Basis.OBSERVED


# --- who must answer -------------------------------------------------------------------------


def test_a_target_that_was_never_scraped_is_waited_for() -> None:
    judged = old(switched(), unscraped=(Target("users", "u-9"),), now=NOW)
    assert (judged.state, judged.basis) == (State.UNPROVEN, Basis.NONE)
    assert [missing.where for missing in judged.missing] == ["users/u-9"]
    assert "users/u-9 did not answer" in judged.why


def test_a_replica_that_fell_silent_is_waited_for() -> None:
    silent = verifier("t-1", scraped_at=NOW - 301)
    assert old(switched(), silent).basis is Basis.NONE
    assert old(switched(), replace(silent, gone_at=NOW - 100)).basis is Basis.OBSERVED


def test_a_replica_whose_last_scrape_failed_may_be_another_one_by_now() -> None:
    assert old(switched(is_answering=False)).missing[0].where == "users/u-0"
    assert old(switched(is_answering=False)).basis is Basis.NONE


# --- every basis -----------------------------------------------------------------------------


def test_the_basis_that_says_yes_first_decides_and_the_strongest_is_named() -> None:
    replicas = (switched(**CLOSING), verifier(**CLOSING))
    early = old(*replicas, now=NOW)
    late = old(*replicas, now=S + BOUND, stale_after_s=1e9)
    assert (early.state, early.basis) == (State.RETIRABLE, Basis.OBSERVED)
    assert (late.state, late.basis) == (State.RETIRABLE, Basis.ENFORCED)


def test_a_switch_is_enforced_only_where_every_replica_that_holds_the_key_does_it() -> None:
    lax = verifier("t-1", ring=CLOSING["ring"])
    judged = old(verifier(**CLOSING), lax)
    assert judged.basis is Basis.DECLARED
    assert [(m.where, m.what) for m in judged.missing] == [
        ("thoughts/t-1", "does not enforce the switch")
    ]
    without_key = verifier("t-1", ring=ring("young"))
    assert old(verifier(**CLOSING), without_key).basis is Basis.ENFORCED


def test_the_latest_statement_and_the_longest_lifetime_count() -> None:
    later = ring("old", "young", stated={"young": S + 100})
    longer = replace(ENFORCE, max_lifetime_s=2 * DECLARE.max_lifetime_s)
    judged = old(verifier(**CLOSING), verifier("t-1", ring=later, policy=longer))
    assert judged.retirable_at == S + 100 + 2 * DECLARE.max_lifetime_s + 3 * LEEWAY


def test_a_token_handed_out_after_a_stated_switch_contradicts_it() -> None:
    stated = {"ring": CLOSING["ring"]}
    lagging = signer("u-0", issued(BEFORE, S + 100), **stated)
    judged = old(lagging, verifier(**stated), now=NOW)
    assert (judged.state, judged.basis) == (State.IN_USE, Basis.NONE)
    assert "a signer lagged behind" in judged.why


# --- one replica for itself ------------------------------------------------------------------


def test_a_replica_answers_for_what_it_handed_out_itself() -> None:
    watch = Watch(issued={"old": issued(BEFORE, S - 60), "young": issued(S, S + 60)})
    judged = judge(
        ring("old", "young"), {}, DECLARE, observing_since=BEFORE, now=DEAD, watch=watch
    )["old"]
    assert (judged.state, judged.basis) == (State.RETIRABLE, Basis.OBSERVED)
    assert Assumption.ONLY_ISSUER in judged.assumptions
    assert judged.why.endswith("it can go, as far as this replica can tell.")


def test_the_newest_key_is_in_use_once_it_is_handed_out() -> None:
    new = judge_fleet(fleet(signer("u-0", None, Issued(3, S, S, S + 1))))["young"]
    assert (new.state, new.why) == (
        State.CURRENT,
        "The newest key, and in use: 3 tokens of it were handed out.",
    )
