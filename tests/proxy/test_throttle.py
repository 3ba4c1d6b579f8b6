"""Repeated lines are few, and none is left out without being counted."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.record import Throttle


def test_so_many_lines_a_second_and_then_a_count() -> None:
    throttle = Throttle(2)
    assert [throttle.admit("expired", 10.0 + n / 10) for n in range(5)] == [0, 0, None, None, None]
    assert throttle.admit("missing", 10.9) == 0
    assert throttle.admit("expired", 11.0) == 3
    assert throttle.admit("expired", 11.1) == 0


def test_what_no_later_line_says_is_told_when_its_second_is_over() -> None:
    throttle = Throttle(1)
    assert [throttle.admit("expired", 10.0) for _ in range(4)] == [0, None, None, None]
    assert throttle.settle(10.9) == {}
    assert throttle.settle(11.0) == {"expired": 3}
    assert throttle.settle(12.0) == {}
    assert throttle.admit("expired", 12.0) == 0


@given(
    st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.booleans()), max_size=200),
    st.integers(1, 4),
)
def test_every_line_is_written_or_counted_once(
    events: list[tuple[float, str, bool]], limit: int
) -> None:
    throttle, written, counted = Throttle(limit), 0, 0
    for moment, reason, settles in sorted(events):
        left_out = throttle.admit(reason, moment)
        written += left_out is not None
        counted += left_out or 0
        if settles:
            counted += sum(throttle.settle(moment).values())
    counted += sum(throttle.settle(100.0).values())
    assert written + counted == len(events)
