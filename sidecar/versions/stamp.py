"""The version of the service that the sidecar stands beside, as its image was stamped.

The build passes the git tag and commit into the image as VERSION_NAME and VERSION_SHA (see
``sidecar version stamp``); the environment is the only witness of what really runs. A service that
was not stamped is ``unknown``: said so, never guessed, and never a reason to fail. Called by
``app.build`` for answers and metrics, and by ``sidecar version show``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAME_VARIABLE = "VERSION_NAME"
COMMIT_VARIABLE = "VERSION_SHA"
UNKNOWN = "unknown"

_DEFAULT_OF_BUILDS = "BAD VERSION"  # what a Dockerfile's ARG says when the build passed nothing
_MAX_LENGTH = 256  # of a tag; it becomes a label in metrics


@dataclass(frozen=True, slots=True)
class ServiceVersion:
    """``version`` is a git tag or ``git describe --tags``, ``commit`` the full SHA-1 or SHA-256.

    Either is ``unknown`` where the image does not say it.
    """

    version: str
    commit: str

    @property
    def is_known(self) -> bool:
        """Whether both halves of the stamp are there."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The variables that do not say their half."""
        halves = ((NAME_VARIABLE, self.version), (COMMIT_VARIABLE, self.commit))
        return tuple(name for name, value in halves if value == UNKNOWN)

    def as_object(self) -> dict[str, str]:
        """As answers about a version say it."""
        return {"version": self.version, "commit": self.commit}


def stamp_from_environment(environ: Mapping[str, str]) -> ServiceVersion:
    """What the environment says; no text in it makes this fail."""
    return ServiceVersion(
        version=_stated(environ, NAME_VARIABLE), commit=_stated(environ, COMMIT_VARIABLE)
    )


def _stated(environ: Mapping[str, str], variable: str) -> str:
    return stated_version(environ.get(variable, ""))


def stated_version(text: str) -> str:
    """A version or commit as somebody stated it; ``unknown`` for what is none."""
    text = text.strip()
    if not text or text == _DEFAULT_OF_BUILDS:
        return UNKNOWN
    # No tag is longer or has control characters; what is not UTF-8 is not printable either.
    return text if len(text) <= _MAX_LENGTH and text.isprintable() else UNKNOWN
