"""Where each service stands in a drawing: its users on the left, what it needs on the right.

A line that would run behind a service is given a place of its own between the others. Pure; called
by ``fleet.state``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sidecar.fleet.order import order_of

#: Column and row; rows of a column that has fewer are in the middle of those of the fullest.
Place = tuple[int, float]
#: Who needs, and who is needed.
Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """``ways``: the places that a line passes on its way; empty where it leads to a neighbour."""

    places: Mapping[str, Place]
    ways: Mapping[Line, tuple[Place, ...]]


@dataclass(frozen=True, slots=True)
class _Stop:
    """A service, or (``line``) a place that a line passes."""

    name: str
    line: Line | None = None


def lay_out(needs: Mapping[str, Collection[str]]) -> Layout:
    """Places for every service that needs or is needed."""
    names = sorted({*needs, *(name for needed in needs.values() for name in needed)})
    column_of = _columns(needs, names)
    lines = [(user, needed) for user in names for needed in sorted(needs.get(user, ()))]
    chains = {line: _chain(line, column_of) for line in lines}
    columns: list[list[_Stop]] = [[] for _ in range(max(column_of.values(), default=-1) + 1)]
    for name in names:
        columns[column_of[name]].append(_Stop(name))
    for (user, _), chain in chains.items():
        for distance, stop in enumerate(chain, 1):
            columns[column_of[user] + distance].append(stop)
    places = _rows(columns, chains)
    return Layout(
        places={name: places[_Stop(name)] for name in names},
        ways={line: tuple(places[stop] for stop in chain) for line, chain in chains.items()},
    )


def _columns(needs: Mapping[str, Collection[str]], names: Collection[str]) -> dict[str, int]:
    """What needs nothing is in the last column; services of a circle are in the first."""
    steps = order_of(needs, names).steps
    level = {name: number for number, step in enumerate(steps) for name in step}
    is_circular = len(level) < len(names)
    first = len(steps) if is_circular else len(steps) - 1
    return {name: first - level.get(name, first) for name in names}


def _chain(line: Line, column_of: Mapping[str, int]) -> tuple[_Stop, ...]:
    """A stop in each column between the two ends."""
    user, needed = line
    between = range(column_of[user] + 1, column_of[needed])
    return tuple(_Stop(f"{column}", line) for column in between)


def _rows(
    columns: list[list[_Stop]], chains: Mapping[Line, tuple[_Stop, ...]]
) -> dict[_Stop, Place]:
    """Each column in the order of what leads to it from the column before, so that few cross."""
    before: dict[_Stop, list[_Stop]] = {stop: [] for column in columns for stop in column}
    for (user, needed), chain in chains.items():
        for one, other in pairwise((_Stop(user), *chain, _Stop(needed))):
            before[other].append(one)
    tallest = max((len(column) for column in columns), default=0)
    places: dict[_Stop, Place] = {}
    for number, column in enumerate(columns):
        rows = {stop: _middle(places, before[stop]) for stop in column}
        column.sort(key=lambda stop, rows=rows: (rows[stop], stop.name))  # type: ignore[misc]
        top = (tallest - len(column)) / 2
        for index, stop in enumerate(column):
            places[stop] = number, top + index
    return places


def _middle(places: Mapping[_Stop, Place], stops: Collection[_Stop]) -> float:
    rows = [places[stop][1] for stop in stops if stop in places]
    return sum(rows) / len(rows) if rows else 0.0
