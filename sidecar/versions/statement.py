"""Which version a service has, on whose word, and whether the other word agrees.

The build stamps the image, and the application may say itself what it is. A deployment file can
overwrite the one and a forgotten build the other, so where both speak they are compared, and a
disagreement is shown, never settled in silence. Called by ``app``.
"""

from dataclasses import dataclass
from typing import Any

from sidecar.errors import VersionError
from sidecar.versions.order import Order, compare
from sidecar.versions.stamp import UNKNOWN, ServiceVersion
from sidecar.versions.version import parse_version

_SHORTEST_COMMIT = 7  # of an abbreviation (git's core.abbrev)
_NOTHING = ServiceVersion(UNKNOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Statement:
    """``reported`` is what the application said last, None before it did.

    ``follows_application``: its word is the version, and the stamp only a witness.
    """

    stamp: ServiceVersion
    reported: ServiceVersion | None = None
    follows_application: bool = False

    @property
    def version(self) -> ServiceVersion:
        """The version in force; unknown while nobody whose word counts has spoken."""
        return (self.reported or _NOTHING) if self.follows_application else self.stamp

    @property
    def is_verified(self) -> bool | None:
        """Whether stamp and application agree; None while only one of them says a version.

        The application's word needs no second one where it is the version.
        """
        said, stamp = self.reported, self.stamp
        if said is None or said.version == UNKNOWN:
            return None
        if stamp.version == UNKNOWN:
            return True if self.follows_application else None
        return _are_one_version(stamp.version, said.version) and _are_one_commit(
            stamp.commit, said.commit
        )

    def document(self) -> dict[str, Any]:
        """What the answers about the version say besides it: both words where they differ."""
        shown: dict[str, Any] = {"verified": self.is_verified}
        if self.is_verified is False and self.reported is not None:
            shown["stamp"] = self.stamp.as_object()
            shown["application"] = self.reported.as_object()
        return shown


def _are_one_version(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return compare(parse_version(one), parse_version(other)) is Order.EQUAL
    except VersionError:
        return False


def _are_one_commit(one: str, other: str) -> bool:
    """Whether one abbreviates the other; a commit that is not said contradicts nothing."""
    if UNKNOWN in (one, other):
        return True
    length = min(len(one), len(other))
    return length >= _SHORTEST_COMMIT and one[:length].lower() == other[:length].lower()
