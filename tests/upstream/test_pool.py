from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from sidecar.upstream.pool import FRESH_S, MAX_IDLE_S, Pool


@dataclass(eq=False)
class Wire:
    """A connection, as the pool sees it."""

    idle_since: float = 0.0
    is_reusable: bool = True
    history: list[str] = field(default_factory=list)


def pool_of(*idle_since: float) -> tuple[Pool[Wire], list[Wire]]:
    pool: Pool[Wire] = Pool(10)
    wires = [Wire() for _ in idle_since]
    for wire, since in zip(wires, idle_since, strict=True):
        pool.open_count += 1
        pool.give_back(wire, since)
    return pool, wires


def test_the_connection_that_was_used_last_is_lent_first() -> None:
    pool, wires = pool_of(1.0, 2.0, 3.0)
    assert [pool.take(3.0, must_be_fresh=False) for _ in range(4)] == [*reversed(wires), None]


def test_a_request_that_cannot_be_repeated_gets_only_a_fresh_connection() -> None:
    pool, (stale, fresh) = pool_of(0.0, 10.0)
    assert pool.take(10.0 + FRESH_S, must_be_fresh=True) is fresh
    assert pool.take(10.0 + FRESH_S, must_be_fresh=True) is None
    assert pool.take(10.0 + FRESH_S, must_be_fresh=False) is stale


def test_a_connection_that_broke_while_idle_is_not_lent() -> None:
    pool, (good, broken) = pool_of(1.0, 2.0)
    broken.is_reusable = False
    assert pool.take(2.0, must_be_fresh=True) is good


def test_there_is_room_until_the_limit() -> None:
    pool: Pool[Wire] = Pool(2)
    wires = [Wire(), Wire()]
    for _ in wires:
        assert pool.has_room()
        pool.open_count += 1
    assert not pool.has_room()
    pool.forget(wires[0])
    assert pool.has_room()


def test_the_oldest_idle_connection_makes_room_for_another() -> None:
    pool, (oldest, _) = pool_of(1.0, 2.0)
    assert pool.has_idle()
    assert pool.evict_oldest() is oldest
    pool.evict_oldest()
    assert pool.evict_oldest() is None
    assert not pool.has_idle()


def test_connections_that_idled_too_long_are_handed_out_to_be_closed() -> None:
    pool, (old, young) = pool_of(0.0, 20.0)
    assert pool.expired(MAX_IDLE_S) == []
    assert pool.expired(MAX_IDLE_S + 1) == [old]
    assert pool.expired(MAX_IDLE_S + 1) == []
    assert pool.drain() == [young]
    assert pool.drain() == []


class Lending(RuleBasedStateMachine):
    """Whatever happens in whatever order, nobody gets a connection that somebody else has."""

    lent = Bundle("lent")

    @initialize(limit=st.integers(1, 4))
    def begin(self, limit: int) -> None:
        self.limit = limit
        self.pool: Pool[Wire] = Pool(limit)
        self.now = 0.0
        self.idle: list[Wire] = []
        self.in_use: set[Wire] = set()

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=lent, must_be_fresh=st.booleans())
    def borrow(self, must_be_fresh: bool) -> Wire | None:
        wire = self.pool.take(self.now, must_be_fresh=must_be_fresh)
        if wire is None:
            if must_be_fresh:
                usable = [one for one in self.idle if one.is_reusable]
                assert all(self.now - one.idle_since > FRESH_S for one in usable) or any(
                    not one.is_reusable and self.now - one.idle_since > FRESH_S for one in self.idle
                )
            else:
                assert not any(one.is_reusable for one in self.idle)
                self.idle.clear()
            if self.pool.has_room():
                wire = Wire()
                self.pool.open_count += 1
        else:
            assert wire in self.idle
            assert wire.is_reusable
            assert not must_be_fresh or self.now - wire.idle_since <= FRESH_S
            self.idle.remove(wire)
        if wire is not None:
            assert wire not in self.in_use
            self.in_use.add(wire)
        return wire

    @rule(wire=consumes(lent))
    def give_back(self, wire: Wire | None) -> None:
        if wire is not None:
            self.in_use.remove(wire)
            self.pool.give_back(wire, self.now)
            self.idle.append(wire)

    @rule(wire=consumes(lent))
    def lose_in_use(self, wire: Wire | None) -> None:
        if wire is not None:
            self.in_use.remove(wire)
            self.pool.forget(wire)

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def lose_idle(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(self.idle))
        wire.is_reusable = False
        self.pool.forget(wire)
        self.idle.remove(wire)

    @rule()
    def make_room(self) -> None:
        wire = self.pool.evict_oldest()
        assert (wire is None) == (not self.idle)
        if wire is not None:
            assert wire.idle_since == min(one.idle_since for one in self.idle)
            self.idle.remove(wire)
            self.pool.forget(wire)

    @rule()
    def sweep(self) -> None:
        for wire in self.pool.expired(self.now):
            assert self.now - wire.idle_since > MAX_IDLE_S
            self.idle.remove(wire)
            self.pool.forget(wire)
        assert all(self.now - wire.idle_since <= MAX_IDLE_S for wire in self.idle)

    @invariant()
    def the_count_is_right(self) -> None:
        assert self.pool.open_count == len(self.idle) + len(self.in_use) <= self.limit
        assert self.pool.has_idle() == bool(self.idle)


TestLending = Lending.TestCase
TestLending.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
