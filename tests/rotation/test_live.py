"""Live tokens are counted exactly up to a bound, and estimated in bounded memory beyond it."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rotation.live import LEFT_OUT_BOUND, LiveTokens

LEEWAY_S = 30


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()[:16]


class NaiveTokens:
    """The law: a token is alive while ``exp + leeway`` has not passed."""

    def __init__(self) -> None:
        self.expiry_of: dict[int, int | None] = {}

    def count(self, now: float) -> int:
        return sum(exp is None or exp + LEEWAY_S > now for exp in self.expiry_of.values())


steps = st.lists(
    st.tuples(
        st.integers(0, 40),  # which token
        st.one_of(st.none(), st.integers(-100, 600)),  # how long it lives from its first sight
        st.integers(0, 90),  # how much time passes
    ),
    max_size=120,
)


@given(steps)
def test_up_to_the_bound_the_count_is_that_of_a_naive_model(
    sequence: list[tuple[int, int | None, int]],
) -> None:
    live, naive, now = LiveTokens(leeway_s=LEEWAY_S, bound=41), NaiveTokens(), 1_000
    for number, lifetime, passes in sequence:
        expires_at = naive.expiry_of.setdefault(
            number, None if lifetime is None else now + lifetime
        )
        live.add(digest(number), expires_at, now)
        now += passes
        assert live.count(now) == naive.count(now)
        assert live.is_exact(now)


@given(steps, st.integers(2, 12))
def test_beyond_the_bound_memory_is_bounded_and_exactness_is_never_claimed_wrongly(
    sequence: list[tuple[int, int | None, int]], bound: int
) -> None:
    live, naive, now = LiveTokens(leeway_s=LEEWAY_S, bound=bound), NaiveTokens(), 1_000
    for number, lifetime, passes in sequence:
        expires_at = naive.expiry_of.setdefault(
            number, None if lifetime is None else now + lifetime
        )
        live.add(digest(number), expires_at, now)
        now += passes
        count = live.count(now)
        assert len(live.kept) <= bound
        if live.is_exact(now):
            assert count == naive.count(now)


def test_the_estimate_beyond_the_bound_is_close() -> None:
    live = LiveTokens(leeway_s=LEEWAY_S, bound=2_000)
    for number in range(40_000):
        live.add(digest(number), 10_000, now=0)
        live.add(digest(number // 2), 10_000, now=0)  # seen again, counted once
    assert live.count(0) == pytest.approx(40_000, rel=0.1)
    assert not live.is_exact(0)


def test_the_count_is_exact_again_once_what_was_left_out_has_expired() -> None:
    live = LiveTokens(leeway_s=LEEWAY_S, bound=10)
    for number in range(100):
        live.add(digest(number), 1_000, now=0)
    assert not live.is_exact(0)
    assert live.count(1_000 + LEEWAY_S) == 0
    live.add(digest(500), 5_000, now=2_000)
    assert live.count(2_000) == 1
    assert live.is_exact(2_000)


def test_a_token_is_alive_until_its_expiry_plus_the_leeway() -> None:
    live = LiveTokens(leeway_s=LEEWAY_S)
    live.add(digest(1), 1_000, now=0)
    assert live.count(1_000 + LEEWAY_S - 0.5) == 1
    assert live.count(1_000 + LEEWAY_S) == 0


def test_expired_tokens_leave_the_memory() -> None:
    live = LiveTokens(leeway_s=LEEWAY_S)
    for number in range(1_000):
        live.add(digest(number), number, now=0)
    assert live.count(10_000) == 0
    assert live.kept == {}


def test_a_bound_that_could_never_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        LiveTokens(leeway_s=0, bound=1)


def test_what_is_left_out_of_the_sample_is_known_again_within_bounds() -> None:
    live = LiveTokens(leeway_s=LEEWAY_S, bound=10)
    for number in range(3 * LEFT_OUT_BOUND):
        live.add(digest(number), 1_000, now=0)
        assert digest(number) in live.kept or digest(number) in live.left_out
        assert len(live.left_out) <= LEFT_OUT_BOUND
    assert live.count(2_000) == 0
    assert live.left_out == set()  # once it is exact again, each of them would count
