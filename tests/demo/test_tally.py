from sidecar.demo.caller import Answer
from sidecar.demo.tally import PICKUP_S, Tally, Turn

ACCEPTED = Answer(200)
REFUSED = Answer(401, "unknown_key", is_from_sidecar=True)
FAILED = Answer(0, "ServerDisconnectedError")
CHANGE = 1000.0


def a_turn(*, is_caused: bool = True) -> Turn:
    turn = Turn("401 unknown_key", "200")
    if is_caused:
        turn.cause(CHANGE)
    return turn


def judge(turn: Turn, answer: Answer, at: float) -> bool:
    return turn.judge(answer, asked_at=at, answered_at=at + 0.01)


def test_before_its_cause_only_the_old_answer_is_right() -> None:
    turn = a_turn(is_caused=False)

    assert judge(turn, REFUSED, CHANGE)
    assert not judge(turn, ACCEPTED, CHANGE)
    assert turn.took_s is None


def test_while_a_change_is_picked_up_both_answers_are_right() -> None:
    turn = a_turn()

    assert judge(turn, REFUSED, CHANGE + 0.5)
    assert judge(turn, ACCEPTED, CHANGE + 0.6)
    assert turn.took_s is not None
    assert round(turn.took_s, 6) == 0.61


def test_once_the_new_answer_was_seen_the_old_one_is_wrong() -> None:
    turn = a_turn()
    judge(turn, ACCEPTED, CHANGE + 0.1)

    assert not judge(turn, REFUSED, CHANGE + 0.2)
    assert judge(turn, ACCEPTED, CHANGE + 0.3)


def test_the_old_answer_is_wrong_when_the_change_is_overdue() -> None:
    turn = a_turn()

    assert turn.is_awaited(CHANGE + PICKUP_S)
    assert judge(turn, REFUSED, CHANGE + PICKUP_S)
    assert not judge(turn, REFUSED, CHANGE + PICKUP_S + 0.1)
    assert not turn.is_awaited(CHANGE + PICKUP_S + 0.1)


def test_a_request_without_an_answer_is_wrong_at_any_time() -> None:
    turn = a_turn(is_caused=False)

    assert not judge(turn, FAILED, CHANGE - 1)
    turn.cause(CHANGE)
    assert not judge(turn, FAILED, CHANGE + 0.1)
    assert not judge(turn, FAILED, CHANGE + PICKUP_S + 1)


def test_the_time_is_that_of_the_first_new_answer() -> None:
    turn = a_turn()
    judge(turn, ACCEPTED, CHANGE + 0.1)
    judge(turn, ACCEPTED, CHANGE + 0.7)

    assert turn.took_s is not None
    assert turn.took_s < 0.2


def test_the_tally_tells_accepted_from_refused_and_keeps_a_few_surprises() -> None:
    tally = Tally()
    tally.add("a valid token", ACCEPTED, is_right=True)
    tally.add("a forged token", REFUSED, is_right=True)
    for _ in range(10):
        tally.add("a valid token", FAILED, is_right=False)

    assert (tally.asked, tally.accepted, tally.refused, tally.wrong) == (12, 1, 1, 10)
    assert tally.surprises == ["a valid token: no answer: ServerDisconnectedError"] * 3


def test_a_refusal_of_the_application_is_none_of_the_sidecar() -> None:
    tally = Tally()
    tally.add("a valid token", Answer(401), is_right=False)

    assert tally.refused == 0
