"""The history keeps the whole past in constant memory, and loses no token of it."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.metrics.history import History


class Counts:
    """Totals that the test raises."""

    def __init__(self) -> None:
        self.totals: dict[str, tuple[str, int]] = {"a": ("old", 0), "b": ("new", 0)}

    def __call__(self) -> dict[str, tuple[str, int]]:
        return dict(self.totals)


def test_a_point_is_the_rate_since_the_sample_before() -> None:
    counts = Counts()
    history = History(counts)
    history.sample(100.0)
    assert not history.points
    counts.totals = {"a": ("old", 10), "b": ("new", 30)}
    history.sample(110.0)
    (point,) = history.points
    assert (point.at, point.old, point.new) == (110.0, 1.0, 3.0)


def test_samples_that_come_too_early_are_left_out() -> None:
    history = History(Counts(), interval_s=2.0)
    for now in (0.0, 0.5, 1.9, 2.0, 2.1):
        history.sample(now)
    assert [point.at for point in history.points] == [2.0]


def test_a_key_that_is_old_now_is_old_in_all_of_the_past() -> None:
    counts = Counts()
    history = History(counts)
    history.sample(0.0)
    counts.totals = {"b": ("new", 4)}
    history.sample(2.0)
    assert [(point.old, point.new) for point in history.points] == [(0.0, 2.0)]
    counts.totals = {"b": ("old", 6), "c": ("new", 2)}
    history.sample(4.0)
    assert [(point.old, point.new) for point in history.points] == [(2.0, 0.0), (1.0, 1.0)]
    counts.totals = {"c": ("new", 2)}  # the old key is out
    history.sample(6.0)
    assert [point.old for point in history.points] == [2.0, 1.0, 0.0]


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    history = History(Counts())
    for now in (100.0, 102.0, 50.0, 52.0):
        history.sample(now)
    assert [point.at for point in history.points] == [102.0, 52.0]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=400), st.integers(2, 20))
def test_any_length_of_past_fits_and_no_token_is_lost(gains: list[int], bound: int) -> None:
    counts = Counts()
    history = History(counts, interval_s=0.5, max_points=bound)
    history.sample(0.0)
    total = taken_in = 0
    for second, gain in enumerate(gains, start=1):
        total += gain
        counts.totals["b"] = ("new", total)
        before = history.points
        history.sample(float(second))
        taken_in = total if history.points != before else taken_in
    assert len(history.points) <= bound
    assert round(sum(point.new * point.span_s for point in history.points)) == taken_in
