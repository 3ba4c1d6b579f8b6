"""Which keys of a remote source are in use."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sidecar.keys.retention import Retention
from sidecar.tokens.keyring import Key


def key(key_id: str, thumbprint: str = "t") -> Key:
    return Key(key_id, ("ES256",), object(), thumbprint, "source")


def ids(retention: Retention, now: float) -> list[str]:
    return [key.id for key in retention.keys(now)]


def test_a_key_that_is_missing_is_gone_at_once() -> None:
    retention = Retention(0)
    retention.take([key("a"), key("b")], 0)
    retention.take([key("b")], 10)
    assert ids(retention, 10) == ["b"]


def test_a_key_that_is_missing_is_kept_so_long_after_it_was_last_seen() -> None:
    retention = Retention(60)
    retention.take([key("a"), key("b")], 0)
    retention.confirm(20)
    retention.take([key("b")], 30)
    assert ids(retention, 79) == ["b", "a"]
    retention.take([key("b")], 50)
    assert ids(retention, 79) == ["b", "a"]
    assert ids(retention, 80) == ["b"]


def test_a_key_that_was_seen_too_long_ago_is_not_kept() -> None:
    retention = Retention(60)
    retention.take([key("a")], 0)
    retention.take([key("b")], 600)
    assert ids(retention, 600) == ["b"]


def test_a_key_that_returns_stays() -> None:
    retention = Retention(60)
    retention.take([key("a")], 0)
    retention.take([key("b")], 30)
    retention.take([key("a"), key("b")], 40)
    assert ids(retention, 1000) == ["a", "b"]


def test_a_new_key_under_an_old_id_replaces_it_at_once() -> None:
    retention = Retention(60)
    retention.take([key("a", "old")], 0)
    retention.take([key("a", "new")], 1)
    assert [each.thumbprint for each in retention.keys(1)] == ["new"]


def test_a_key_that_stays_is_the_same_object() -> None:
    retention = Retention(60)
    retention.take([key("a")], 0)
    (first,) = retention.keys(0)
    retention.take([key("a")], 1)
    (second,) = retention.keys(1)
    assert first is second


class AnyHistory(RuleBasedStateMachine):
    """Sets that come and go, against the plain statement of the law."""

    KEEP_S = 50.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.retention = Retention(self.KEEP_S)
        self.current: set[str] = set()
        self.last_seen: dict[str, float] = {}

    @rule(seconds=st.integers(0, 70))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(held=st.sets(st.sampled_from("abcd"), min_size=1))
    def take(self, held: set[str]) -> None:
        self.retention.take([key(each) for each in sorted(held)], self.now)
        self.current = held
        self.last_seen |= dict.fromkeys(held, self.now)

    @rule()
    def confirm(self) -> None:
        self.retention.confirm(self.now)
        self.last_seen |= dict.fromkeys(self.current, self.now)

    @invariant()
    def a_key_is_in_use_while_it_is_in_the_set_or_was_until_lately(self) -> None:
        lately = {each for each, at in self.last_seen.items() if self.now < at + self.KEEP_S}
        found = ids(self.retention, self.now)
        assert set(found) == self.current | lately
        assert len(found) == len(set(found))


TestAnyHistory = AnyHistory.TestCase
