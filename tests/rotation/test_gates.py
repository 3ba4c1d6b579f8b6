"""The gates let a pipeline pass only on evidence, and say what is missing and where."""

from dataclasses import replace
from typing import Any

from sidecar.rotation.evidence import Watch
from sidecar.rotation.gates import Answer, distribute, retire, switch
from sidecar.rotation.replica import Target
from tests.rotation.fleets import (
    BEFORE,
    ENFORCE,
    HOUR,
    NOW,
    S,
    fleet,
    issued,
    ring,
    seen,
    signer,
    switched,
    verifier,
)

STATED: dict[str, Any] = {"ring": ring("old", "young", stated={"young": S})}
NEW_SEEN: dict[str, Any] = {"presented": {"young": seen(S + 10, S + HOUR)}}
SILENT = (Target("users", "u-9"),)

# --- distribute ------------------------------------------------------------------------------


def test_a_key_is_distributed_once_every_replica_holds_it() -> None:
    assert distribute(fleet(verifier(), switched()), "young").answer is Answer.YES


def test_who_lacks_the_key_is_named() -> None:
    decision = distribute(fleet(verifier(), verifier("t-1", ring=ring("old"))), "young")
    assert decision.answer is Answer.NO
    assert decision.why == "1 of 2 replicas hold young."
    assert [missing.where for missing in decision.missing] == ["thoughts/t-1"]


def test_who_did_not_answer_may_lack_the_key() -> None:
    decision = distribute(fleet(verifier(), unscraped=SILENT), "young")
    assert decision.answer is Answer.UNKNOWN
    assert [missing.where for missing in decision.missing] == ["users/u-9"]
    assert distribute(fleet(), "young").answer is Answer.UNKNOWN


def test_a_replica_that_is_gone_needs_no_key() -> None:
    gone = verifier("t-1", ring=ring("old"), gone_at=NOW)
    assert distribute(fleet(verifier(), gone), "young").answer is Answer.YES


# --- switch ----------------------------------------------------------------------------------


def test_the_switch_is_done_once_every_watched_signer_uses_the_new_key() -> None:
    assert switch(fleet(switched(), switched("u-1"), verifier()), "young").answer is Answer.YES


def test_a_switch_without_a_token_of_the_new_key_has_not_happened() -> None:
    decision = switch(fleet(signer("u-0", issued(BEFORE, S)), verifier()), "young")
    assert (decision.answer, decision.why) == (Answer.NO, "No token of young was seen yet.")


def test_a_planned_switch_has_not_happened() -> None:
    planned = verifier(ring=ring("old", "young", stated={"young": NOW + 1}), **NEW_SEEN)
    assert "planned for" in switch(fleet(planned), "young").why


def test_a_signer_of_which_nothing_tells_leaves_it_open() -> None:
    decision = switch(fleet(switched(), signer("u-1", issued(BEFORE, S - 5))), "young")
    assert decision.answer is Answer.UNKNOWN
    assert [missing.where for missing in decision.missing] == ["users/u-1"]


def test_a_signer_that_nobody_watches_leaves_it_open() -> None:
    decision = switch(fleet(switched(), verifier("u-1", service="users")), "young")
    assert decision.answer is Answer.UNKNOWN
    assert [missing.where for missing in decision.missing] == ["users/u-1"]


def test_an_enforced_switch_settles_a_signer_of_which_nothing_tells() -> None:
    idle = signer("u-1", policy=ENFORCE, **STATED)
    assert switch(fleet(switched(**STATED), idle), "young").answer is Answer.YES


def test_a_signer_that_lags_behind_a_stated_switch_is_named() -> None:
    late = signer("u-1", issued(BEFORE, S + 31), **STATED)
    decision = switch(fleet(switched(**STATED), late), "young")
    assert decision.answer is Answer.NO
    assert [(m.where, m.what) for m in decision.missing] == [
        ("users/u-1", "handed out a token of old issued after it")
    ]


def test_a_token_that_was_shown_tells_of_a_lagging_signer_too() -> None:
    shown = {"old": seen(S + 31, S + HOUR), "young": seen(S + 10, S + HOUR)}
    decision = switch(fleet(verifier(presented=shown, **STATED)), "young")
    assert decision.answer is Answer.NO
    assert decision.missing[0].what == "was shown a token of old issued after it"


def test_a_signer_with_several_workers_that_disagree_is_named() -> None:
    torn = signer("u-1", issued(BEFORE, S + 50), issued(S, S + 60))
    decision = switch(fleet(switched(), torn), "young")
    assert decision.answer is Answer.NO
    assert "several signers" in decision.missing[0].what
    ended = replace(torn, gone_at=NOW)
    assert switch(fleet(switched(), ended), "young").answer is Answer.YES


def test_without_a_statement_and_without_watching_nothing_tells() -> None:
    decision = switch(fleet(verifier(**NEW_SEEN)), "young")
    assert decision.answer is Answer.UNKNOWN
    assert "auth.signing_since" in decision.why
    assert switch(fleet(verifier(**NEW_SEEN, **STATED)), "young").answer is Answer.YES


def test_who_did_not_answer_may_not_have_switched() -> None:
    assert switch(fleet(switched(), unscraped=SILENT), "young").answer is Answer.UNKNOWN


def test_a_key_that_nobody_holds_is_not_switched_to() -> None:
    assert switch(fleet(verifier()), "other").why == "No replica holds other."


# --- retire ----------------------------------------------------------------------------------


def test_a_key_is_retired_on_a_basis_and_not_before() -> None:
    assert retire(fleet(switched(), now=S + HOUR), "old").answer is Answer.YES
    assert retire(fleet(switched(), now=S + HOUR - 1), "old").answer is Answer.NO


def test_the_newest_key_is_never_retired() -> None:
    assert retire(fleet(switched()), "young").answer is Answer.NO


def test_an_unproven_key_is_retired_only_when_asked_for_by_name() -> None:
    unproven = fleet(verifier(presented={"old": seen(S - HOUR, S)}))
    assert retire(unproven, "old").answer is Answer.NO
    accepted = retire(unproven, "old", accepts_unproven=True)
    assert accepted.answer is Answer.YES
    assert accepted.why.startswith("Accepted without proof: whoever still has a token of this key")


def test_a_key_in_use_is_not_retired_even_when_asked_for_by_name() -> None:
    in_use = fleet(verifier(presented={"old": seen(S, NOW + HOUR, live=1)}))
    assert retire(in_use, "old", accepts_unproven=True).answer is Answer.NO


def test_nothing_is_retired_while_somebody_has_not_answered() -> None:
    waiting = fleet(switched(), unscraped=SILENT)
    assert retire(waiting, "old", accepts_unproven=True).answer is Answer.UNKNOWN
    assert retire(fleet(switched(), unscraped=SILENT), "gone").answer is Answer.UNKNOWN


def test_a_key_that_nobody_holds_any_more_is_retired() -> None:
    done = fleet(signer("u-0", ring=ring("young"), watch=Watch()))
    assert retire(done, "old").answer is Answer.YES
