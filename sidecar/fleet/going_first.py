"""What has to go before a change is possible, in the order to go.

What the new version needs goes forward first, dependencies before their users. Users that need more
than an older version go back first, and so must whoever needs just what they go back from: users
before their dependencies. Pure; called by ``fleet.change``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidecar.errors import VersionError
from sidecar.fleet.needs import read_requirement
from sidecar.fleet.order import order_of
from sidecar.fleet.services import Fleet
from sidecar.versions.order import Order
from sidecar.versions.requirement import compare_ranks
from sidecar.versions.version import parse_version


class Move(StrEnum):
    """Where a service has to go."""

    FORWARD = "forward"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Step:
    """One service that has to go first; ``why`` is a phrase that may follow its name."""

    service: str
    move: Move
    why: str


def needed_first(fleet: Fleet, missing: Mapping[str, str]) -> list[Step]:
    """The services that do not run yet as they are needed; ``missing`` says why, by service."""
    return [Step(name, Move.FORWARD, missing[name]) for name in _sorted(fleet, missing)]


def users_first(
    fleet: Fleet, service: str, version: str, refusing: Collection[tuple[str, str]]
) -> list[Step]:
    """``refusing``: the users, and their versions, that would not accept the version."""
    back: dict[tuple[str, str], str] = {}
    forward: dict[str, str] = {}
    for user, running, need in fleet.needs():
        one = user.name, running.version
        if need.service == service and one in refusing:
            why = f"its {running.version} needs {service} {need.requires}"
            if _starts_after(need.requires, version):
                back[one] = why
            else:
                forward[user.name] = why
    _go_back_too(fleet, back, service)
    going_back = {name: why for (name, _), why in reversed(back.items())}
    return [
        *(Step(name, Move.FORWARD, forward[name]) for name in _sorted(fleet, forward)),
        *(Step(name, Move.BACK, going_back[name]) for name in reversed(_sorted(fleet, going_back))),
    ]


def _go_back_too(fleet: Fleet, back: dict[tuple[str, str], str], service: str) -> None:
    """Add whoever would not accept anything older of what goes back."""
    waiting = list(back)
    while waiting:
        name, leaves = waiting.pop()
        for user, running, need in fleet.needs():
            one = user.name, running.version
            if need.service != name or one in back or user.name == service:
                continue
            if _starts_after(need.requires, leaves) or _starts_with(need.requires, leaves):
                back[one] = f"its {running.version} needs {name} {need.requires}"
                waiting.append(one)


def _starts_after(requires: str, version: str) -> bool:
    """Whether the oldest version that will do is newer than this."""
    return _oldest_against(requires, version) is Order.NEWER


def _starts_with(requires: str, version: str) -> bool:
    """Whether the oldest version that will do is this one."""
    return _oldest_against(requires, version) is Order.EQUAL


def _oldest_against(requires: str, version: str) -> Order | None:
    requirement = read_requirement(requires)
    if requirement is None or requirement.least is None:
        return None
    try:
        return compare_ranks(requirement.least, parse_version(version))
    except VersionError:
        return None


def _sorted(fleet: Fleet, names: Collection[str]) -> list[str]:
    """What is needed before who needs it; what no order tells at the end."""
    steps = order_of(fleet.needed_by_name(), names).steps
    ordered = [name for step in steps for name in step]
    return ordered + sorted(set(names).difference(ordered))
