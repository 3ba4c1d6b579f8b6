"""Places in a drawing: from left to right, and no two in one."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.fleet.layout import lay_out

_NAMES = "abcdefgh"
_graphs = st.dictionaries(
    st.sampled_from(_NAMES), st.frozensets(st.sampled_from(_NAMES), max_size=4), max_size=8
)


def test_the_reference_system() -> None:
    layout = lay_out({"frontend": {"thoughts", "users"}, "thoughts": {"users"}, "users": set()})
    assert {name: column for name, (column, _) in layout.places.items()} == {
        "frontend": 0,
        "thoughts": 1,
        "users": 2,
    }
    # The line from the frontend to users has a place beside thoughts.
    ((column, row),) = layout.ways["frontend", "users"]
    assert column == 1
    assert row != layout.places["thoughts"][1]
    assert layout.ways["frontend", "thoughts"] == ()


def test_nothing_has_no_place() -> None:
    assert lay_out({}).places == {}


@given(_graphs)
def test_no_two_things_have_one_place_and_lines_lead_from_left_to_right(
    needs: dict[str, frozenset[str]],
) -> None:
    layout = lay_out(needs)
    taken = [*layout.places.values(), *(place for way in layout.ways.values() for place in way)]
    assert len(set(taken)) == len(taken)
    for (user, needed), way in layout.ways.items():
        start, end = layout.places[user][0], layout.places[needed][0]
        if start < end:
            assert [column for column, _ in way] == list(range(start + 1, end))
        else:
            assert start == end == 0  # services of a circle


@given(_graphs)
def test_every_service_has_a_place(needs: dict[str, frozenset[str]]) -> None:
    assert set(lay_out(needs).places) == set(needs).union(*needs.values())
