"""When a remote source is asked."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.keys.schedule import (
    DEFAULT_PERIOD_S,
    HASTE_GAP_S,
    MAX_BACKOFF_S,
    MAX_FRESH_S,
    MIN_FRESH_S,
    Schedule,
)


def latest(low: float, high: float) -> float:
    """A jitter that shortens nothing."""
    return high


def after_success(refresh_s: float | None, fresh_s: float | None) -> float:
    schedule = Schedule(refresh_s, jitter=latest)
    schedule.begin()
    schedule.succeed(0, fresh_s)
    return schedule.due_at


def test_the_first_look_is_due_at_once() -> None:
    assert Schedule(None).due_at < 0


def test_without_any_word_the_period_is_five_minutes() -> None:
    assert after_success(None, None) == DEFAULT_PERIOD_S == 300


def test_the_answer_may_say_how_long_it_is_fresh_within_bounds() -> None:
    assert after_success(None, 600) == 600
    assert after_success(None, 0) == MIN_FRESH_S == 30
    assert after_success(None, 1e9) == MAX_FRESH_S == 3600


def test_the_configured_period_is_the_longest() -> None:
    assert after_success(60, None) == 60
    assert after_success(60, 600) == 60
    assert after_success(60, 40) == 40
    assert after_success(60, 0) == 30
    assert after_success(5, 0) == 5


def test_failures_are_followed_by_longer_and_longer_pauses_up_to_the_period() -> None:
    schedule, now, delays = Schedule(10, jitter=latest), 0.0, []
    for _ in range(6):
        schedule.begin()
        schedule.fail(now)
        delays.append(schedule.due_at - now)
        now = schedule.due_at
    assert delays == [1, 2, 4, 8, 10, 10]
    schedule.begin()
    schedule.succeed(now, None)
    schedule.begin()
    schedule.fail(now)
    assert schedule.due_at - now == 1


def test_however_long_the_period_a_source_that_is_back_is_found_within_a_minute() -> None:
    schedule, now = Schedule(86400, jitter=latest), 0.0
    for _ in range(20):
        schedule.begin()
        schedule.fail(now)
        assert schedule.due_at - now <= MAX_BACKOFF_S == 60
        now = schedule.due_at


@given(st.floats(1, 86400) | st.none(), st.floats(0, 1e6) | st.none())
def test_the_replicas_of_a_service_spread_out_and_none_is_later_than_said(
    refresh_s: float | None, fresh_s: float | None
) -> None:
    schedule = Schedule(refresh_s)
    schedule.begin()
    schedule.succeed(0, fresh_s)
    longest = after_success(refresh_s, fresh_s)
    assert 0.8 * longest <= schedule.due_at <= longest


def test_haste_is_granted_ten_seconds_after_the_last_look() -> None:
    schedule = Schedule(300)
    schedule.begin()
    schedule.succeed(100, None)
    assert not schedule.hurry(105)
    assert schedule.due_at == 100 + HASTE_GAP_S == 110
    assert not schedule.hurry(109.9)
    assert schedule.hurry(110)


def test_haste_during_a_look_means_another_one_after_it() -> None:
    schedule = Schedule(300)
    schedule.begin()
    assert not schedule.hurry(101)
    schedule.succeed(102, None)
    assert schedule.due_at == 112
    schedule.begin()
    schedule.succeed(113, None)
    assert schedule.due_at > 300


class AnyCourse(RuleBasedStateMachine):
    """Looks that succeed and fail and take their time, and haste at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.schedule = Schedule(60, jitter=Random(0).uniform)
        self.is_looking = False
        self.ended_at: float | None = None
        self.is_failing = False

    @rule(seconds=st.floats(0, 40))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.is_looking and self.schedule.due_at <= self.now)
    @rule()
    def begin(self) -> None:
        if self.ended_at is not None and not self.is_failing:
            assert self.now - self.ended_at >= min(HASTE_GAP_S, 0.8 * MIN_FRESH_S)
        self.schedule.begin()
        self.is_looking = True

    @precondition(lambda self: self.is_looking)
    @rule(fresh_s=st.floats(0, 1e5) | st.none())
    def succeed(self, fresh_s: float | None) -> None:
        self.schedule.succeed(self.now, fresh_s)
        self.is_looking, self.is_failing, self.ended_at = False, False, self.now

    @precondition(lambda self: self.is_looking)
    @rule()
    def fail(self) -> None:
        self.schedule.fail(self.now)
        self.is_looking, self.is_failing, self.ended_at = False, True, self.now

    @rule()
    def hurry(self) -> None:
        is_now = self.schedule.hurry(self.now)
        assert is_now == (not self.is_looking and self.schedule.due_at <= self.now)

    @invariant()
    def it_never_sleeps_for_longer_than_the_period(self) -> None:
        if self.ended_at is not None and not self.is_looking:
            assert self.schedule.due_at <= self.ended_at + 60
            if self.is_failing:
                assert self.schedule.due_at >= self.ended_at + 0.8


TestAnyCourse = AnyCourse.TestCase
