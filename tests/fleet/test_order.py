"""The order of a change: what is needed goes first, and where nothing can."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sidecar.fleet.order import order_of

_NAMES = "abcdefg"
_graphs = st.dictionaries(
    st.sampled_from(_NAMES), st.frozensets(st.sampled_from(_NAMES), max_size=4), max_size=7
).map(lambda needs: {name: needs.get(name, frozenset()) for name in _NAMES})
#: Whoever needs only what comes later in the alphabet needs nobody in a circle.
_acyclic = _graphs.map(
    lambda needs: {name: {each for each in of if each > name} for name, of in needs.items()}
)
_some = st.frozensets(st.sampled_from(_NAMES))


def reaches(needs: dict[str, set[str]], start: str, goal: str) -> bool:
    """Whether ``start`` needs ``goal``, in whatever number of steps (Warshall, by brute force)."""
    reached = set(needs[start])
    for _ in needs:
        reached |= {each for name in reached for each in needs[name]}
    return goal in reached


def test_the_reference_system() -> None:
    needs = {"frontend": {"thoughts", "users"}, "thoughts": {"users"}, "users": set()}
    order = order_of(needs, needs)
    assert order.steps == (("users",), ("thoughts",), ("frontend",))
    assert order.cycles == ()


def test_services_that_do_not_need_each_other_go_in_one_step() -> None:
    assert order_of({"a": {"x"}, "b": {"x"}}, ["a", "b", "x"]).steps == (("x",), ("a", "b"))


def test_what_stands_between_two_services_counts_where_it_does_not_change_itself() -> None:
    needs = {"frontend": {"thoughts"}, "thoughts": {"users"}}
    assert order_of(needs, ["frontend", "users"]).steps == (("users",), ("frontend",))


def test_two_services_that_need_each_other_are_a_deadlock_and_the_rest_has_an_order() -> None:
    needs = {"a": {"b"}, "b": {"a", "base"}, "base": set(), "top": {"a"}}
    order = order_of(needs, needs)
    assert order.steps == (("base",),)
    assert order.cycles == (("a", "b"),)
    assert order.behind == ("top",)


def test_a_service_that_needs_itself_is_a_deadlock_of_one() -> None:
    assert order_of({"a": {"a"}}, ["a"]).cycles == (("a",),)


def test_nothing_to_order_is_no_step() -> None:
    assert order_of({}, []).steps == ()


@given(_acyclic, _some)
def test_without_a_circle_everything_goes_after_all_that_it_needs(
    needs: dict[str, set[str]], services: frozenset[str]
) -> None:
    order = order_of(needs, services)
    assert not order.cycles
    assert not order.behind
    step_of = {name: number for number, step in enumerate(order.steps) for name in step}
    assert step_of.keys() == services
    for one, other in itertools.permutations(services, 2):
        if reaches(needs, one, other):
            assert step_of[other] < step_of[one]


@given(_acyclic)
def test_nothing_waits_for_longer_than_it_must(needs: dict[str, set[str]]) -> None:
    steps = order_of(needs, needs).steps
    for before, step in itertools.pairwise(steps):
        for name in step:
            assert needs[name].intersection(before)


@given(_graphs, _some)
def test_every_service_is_in_a_step_in_a_circle_or_behind_one(
    needs: dict[str, set[str]], services: frozenset[str]
) -> None:
    order = order_of(needs, services)
    stepped = {name for step in order.steps for name in step}
    circling = {name for name in services if reaches(needs, name, name)}
    assert stepped | circling | set(order.behind) == services
    assert not stepped & circling
    assert not stepped & set(order.behind)
    for name in order.behind:
        assert any(reaches(needs, name, each) for each in circling)
    for name in circling:
        assert any(name in cycle for cycle in order.cycles)


@given(_graphs)
def test_a_named_circle_is_one(needs: dict[str, set[str]]) -> None:
    for cycle in order_of(needs, needs).cycles:
        assert cycle[0] == min(cycle)
        assert len(set(cycle)) == len(cycle)
        for one, other in itertools.pairwise((*cycle, cycle[0])):
            assert other in needs[one]
