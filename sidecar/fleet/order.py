"""In which order services are deployed that need each other: what is needed goes first.

Where services need each other in a circle there is no such order: each waits for the next version
of the other. Pure; called by ``fleet.change`` and the command line.
"""

from collections import deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

#: Who needs whom, by name.
Needs = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Order:
    """``steps``: services of one step may go in any order, even together. ``cycles``: ways that
    lead from a service back to it, each beginning with the name that sorts first; ``behind``: what
    needs a service of a cycle and is in none, by name. ``before``: what each goes after."""

    steps: tuple[tuple[str, ...], ...]
    cycles: tuple[tuple[str, ...], ...]
    behind: tuple[str, ...]
    before: Mapping[str, tuple[str, ...]]


def order_of(needs: Needs, services: Collection[str]) -> Order:
    """The order of these services.

    What stands between two of them counts, also where it is not one of them: if a needs b and b
    needs c, then c goes before a.
    """
    before = {each: _reach(needs, each).intersection(services) for each in services}
    sorter = TopologicalSorter(before)
    with suppress(CycleError):  # it goes on to tell whatever does not depend on a cycle
        sorter.prepare()
    steps: list[tuple[str, ...]] = []
    while step := tuple(sorted(sorter.get_ready())):
        steps.append(step)
        sorter.done(*step)
    left = set(services).difference(*steps)
    circling = {each for each in left if each in before[each]}
    return Order(
        steps=tuple(steps),
        cycles=_cycles(needs, circling),
        behind=tuple(sorted(left - circling)),
        before={each: tuple(sorted(needed)) for each, needed in before.items()},
    )


def _reach(needs: Needs, start: str) -> set[str]:
    """Everything that ``start`` needs, and what that needs in turn."""
    found: set[str] = set()
    waiting = list(needs.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(needs.get(name, ()))
    return found


def _cycles(needs: Needs, circling: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """For each service of them a shortest way back to it, those that are the same but once."""
    found: dict[tuple[str, ...], None] = {}
    shown: set[str] = set()
    for name in sorted(circling):
        if name not in shown:
            way = _way_back(needs, name)
            shown.update(way)
            first = way.index(min(way))
            found[way[first:] + way[:first]] = None
    return tuple(found)


def _way_back(needs: Needs, start: str) -> tuple[str, ...]:
    """A shortest way from ``start``, which is part of a cycle, to where it is needed."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while True:
        name = waiting.popleft()
        for needed in sorted(needs.get(name, ())):
            if needed == start:
                way = [name]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            if needed not in came_from:
                came_from[needed] = name
                waiting.append(needed)
