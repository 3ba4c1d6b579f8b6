"""What a service needs of another's version, and whether a version meets it.

A requirement has a lower bound, an upper one, and versions that are known to be bad; any of them
may be absent. What cannot be ordered meets no bound and fails none: nobody can tell, and the
judgement says so. Called by ``dependencies``, ``config`` and ``fleet``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sidecar.errors import VersionError
from sidecar.versions.order import Order, compare
from sidecar.versions.stamp import UNKNOWN
from sidecar.versions.version import Version, parse_version

ANY: Final = "any"

_CLAUSE: Final = re.compile(r"(>=|<|!=)\s*([^<>=,\s]+)")
_ACCEPTED: Final = "accepted are >=v2.3, <v3 and !=v2.5, with commas between them"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a version meets a requirement; None where nobody can tell. ``why`` is a phrase."""

    holds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """``least`` and everything newer, but not ``below`` or newer, and none of ``excluded``.

    ``str`` of it is its short form, which :func:`parse_requirement` reads.
    """

    least: Version | None = None
    below: Version | None = None
    excluded: tuple[Version, ...] = ()

    def __str__(self) -> str:
        clauses = [f">={self.least}"] if self.least else []
        clauses += [f"<{self.below}"] if self.below else []
        clauses += [f"!={each}" for each in self.excluded]
        return ",".join(clauses) or ANY

    @property
    def is_any(self) -> bool:
        """Whether every version meets it, even one that has no order."""
        return not (self.least or self.below or self.excluded)

    def judge(self, text: str) -> Judgement:
        """Whether the version that ``text`` names meets the requirement."""
        if self.is_any:
            return Judgement(True, "any version will do")
        if text == UNKNOWN:
            return Judgement(None, "its version is unknown")
        try:
            return self._judge(parse_version(text))
        except VersionError as error:
            return Judgement(None, error.detail)

    def _judge(self, version: Version) -> Judgement:
        for each in self.excluded:
            if compare_ranks(version, each) is Order.EQUAL or version.content == each.content:
                return Judgement(False, f"{version} is excluded")
        if self.least and compare(version, self.least) is Order.OLDER:
            return Judgement(False, f"{version} is older than {self.least}")
        if self.below and compare(version, self.below) is not Order.OLDER:
            return Judgement(False, f"{version} is not below {self.below}")
        if self.below and _is_ahead_of(version, self.below):
            return Judgement(False, f"{version} is a pre-release of {self.below}")
        return Judgement(True, f"{version} meets {self}")


def parse_requirement(text: str) -> Requirement:
    """The requirement of a short form such as ``>=v2.3,<v3,!=v2.5``, or ``any``.

    Raises :class:`VersionError` for what is none, and for one that no version can meet.
    """
    if text.strip() == ANY:
        return Requirement()
    found: dict[str, list[str]] = {">=": [], "<": [], "!=": []}
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise VersionError(f"'{clause.strip()[:80]}' is not a requirement; {_ACCEPTED}")
        found[match[1]].append(match[2])
    for sign in (">=", "<"):
        if len(found[sign]) > 1:
            raise VersionError(f"it says {sign} more than once")
    return build_requirement(
        least=next(iter(found[">="]), None),
        below=next(iter(found["<"]), None),
        excluded=found["!="],
    )


def build_requirement(
    *, least: str | None, below: str | None, excluded: Iterable[str]
) -> Requirement:
    """The requirement of these bounds.

    Raises :class:`VersionError` where one cannot be ordered or no version can meet all of them.
    """
    requirement = Requirement(
        parse_version(least) if least is not None else None,
        parse_version(below) if below is not None else None,
        tuple(map(parse_version, excluded)),
    )
    if is_impossible(requirement):
        raise VersionError(f"no version can be {requirement}")
    return requirement


def is_impossible(requirement: Requirement) -> bool:
    """Whether no version at all can meet it. Between two versions there is always another, so only
    the bounds can contradict each other, not what is excluded between them."""
    least, below = requirement.least, requirement.below
    if least is None or below is None:
        return False
    if least.series != below.series:
        return True
    return least.rank >= below.rank or _is_ahead_of(least, below)


def compare_ranks(one: Version, other: Version) -> Order:
    """As ``versions.order``, but two branches at one distance from a tag stand side by side, for
    who asks where a version has its place and not what is in it."""
    is_same = (one.series, one.rank) == (other.series, other.rank)
    return Order.EQUAL if is_same else compare(one, other)


def _is_ahead_of(version: Version, below: Version) -> bool:
    """Whether it already has what ``below`` is meant to keep out: v3-rc1 for v3 (PEP 440 reads
    ``<`` in the same way)."""
    return version.is_pre_release and not below.is_pre_release and version.release == below.release
