"""Which of two versions is older.

The order itself is the rank of ``versions.version``; here stands what has none: versions of
different series, and two commits at the same distance from one tag. Called by ``cli`` and by
whatever judges versions of several services.
"""

from enum import Enum

from sidecar.errors import VersionError
from sidecar.versions.version import Version


class Order(Enum):
    """How the first of two versions stands to the second; the value is its sign."""

    OLDER = "<"
    EQUAL = "="
    NEWER = ">"


def compare(one: Version, other: Version) -> Order:
    """How ``one`` stands to ``other``. EQUAL are two spellings of one version (v2.3 and 2.3.0).

    Raises :class:`VersionError`, whose detail says why, for two that have no order.
    """
    if one.series != other.series:
        raise VersionError(
            f"'{one}' and '{other}' are versions of different things:"
            f" {_name(one)} and {_name(other)}"
        )
    if one.rank != other.rank:
        return Order.OLDER if one.rank < other.rank else Order.NEWER
    if _are_different_commits(one.commit, other.commit):
        raise VersionError(
            f"'{one}' and '{other}' are equally far from one tag, on different branches"
        )
    return Order.EQUAL


def _name(version: Version) -> str:
    return f"'{version.series}'" if version.series else "a plain number"


def _are_different_commits(one: str | None, other: str | None) -> bool:
    """Whether neither can be an abbreviation of the other."""
    if one is None or other is None:
        return False
    length = min(len(one), len(other))
    return one[:length] != other[:length]
