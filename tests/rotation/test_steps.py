"""The six steps turn done in order, and each says what is missing and where."""

from sidecar.rotation.evidence import Watch
from sidecar.rotation.replica import Fleet, Target
from sidecar.rotation.steps import Progress, Step, take_stock
from tests.rotation.fleets import (
    BEFORE,
    DECLARE,
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

DONE, NOT_YET, UNKNOWN = Progress.DONE, Progress.NOT_YET, Progress.UNKNOWN
OLD_ONLY, YOUNG_ONLY = ring("old"), ring("young")


def steps(evidence: Fleet, *frontends: str) -> tuple[Step, ...]:
    return take_stock(evidence, "young", frontends=frontends)


def progress(evidence: Fleet, *frontends: str) -> list[Progress]:
    return [step.progress for step in steps(evidence, *frontends)]


def test_before_a_rotation_only_the_first_step_is_done() -> None:
    start = fleet(signer("u-0", issued(BEFORE, S), ring=OLD_ONLY), verifier(ring=OLD_ONLY))
    assert progress(start, "thoughts") == [DONE, *[NOT_YET] * 5]


def test_the_backends_get_the_key_before_the_frontends() -> None:
    halfway = fleet(signer("u-0", issued(BEFORE, S)), verifier(ring=OLD_ONLY))
    assert progress(halfway, "thoughts") == [DONE, DONE, *[NOT_YET] * 4]
    assert steps(halfway, "thoughts")[2].missing[0].where == "thoughts/t-0"


def test_where_no_frontend_is_named_all_services_are_counted_as_backends() -> None:
    halfway = fleet(signer("u-0", issued(BEFORE, S)), verifier(ring=OLD_ONLY))
    assert progress(halfway)[1:3] == [NOT_YET, DONE]


def test_once_the_key_is_everywhere_the_signers_are_next() -> None:
    ready = fleet(signer("u-0", issued(BEFORE, S)), verifier())
    assert progress(ready, "thoughts") == [DONE, DONE, DONE, *[NOT_YET] * 3]


def test_after_the_switch_old_tokens_are_waited_for() -> None:
    waiting = fleet(switched(), verifier(), now=S + 120)
    assert progress(waiting, "thoughts") == [*[DONE] * 4, NOT_YET, NOT_YET]
    assert "is dead by" in steps(waiting)[4].why


def test_once_the_last_old_token_is_dead_the_key_can_go() -> None:
    ready = fleet(switched(), verifier())
    assert progress(ready, "thoughts") == [*[DONE] * 5, NOT_YET]
    assert [(m.where, m.what) for m in steps(ready)[5].missing] == [
        ("users/u-0", "still holds old"),
        ("thoughts/t-0", "still holds old"),
    ]


def test_once_the_key_is_gone_everything_is_done() -> None:
    watch = Watch(issued={"young": issued(S, S + 60)})
    over = fleet(signer("u-0", ring=YOUNG_ONLY, watch=watch), verifier(ring=YOUNG_ONLY))
    assert progress(over, "thoughts") == [DONE] * 6


def test_without_evidence_the_death_of_the_last_token_is_unknown() -> None:
    unproven = verifier(presented={"old": seen(S - HOUR, S), "young": seen(S, S + HOUR)})
    assert progress(fleet(unproven))[3:5] == [UNKNOWN, UNKNOWN]


def test_while_somebody_has_not_answered_nothing_is_done() -> None:
    waiting = fleet(switched(), verifier(), unscraped=(Target("users", "u-9"),))
    assert progress(waiting) == [UNKNOWN, UNKNOWN, DONE, UNKNOWN, UNKNOWN, NOT_YET]
    assert {m.where for step in steps(waiting)[:5] for m in step.missing} == {"users/u-9"}
    assert progress(fleet()) == [UNKNOWN, UNKNOWN, DONE, NOT_YET, UNKNOWN, UNKNOWN]


def test_a_signer_that_ran_ahead_of_the_distribution_is_named() -> None:
    ahead = Watch(unknown=issued(S, S + 10))
    early = fleet(signer("u-0", ring=OLD_ONLY, watch=ahead, policy=DECLARE), verifier(), now=NOW)
    assert "a key that it does not hold" in steps(early)[1].missing[0].what
