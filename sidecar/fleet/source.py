"""Where evidence about a fleet comes from: a Prometheus, or the sidecars themselves.

Values only; ``prometheus`` and ``direct`` fill them. Called by the reports of this room and by
the command line.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

#: The metric's name, and labels that the sidecar exposes itself; all others are the target's.
_EXPOSED: Final = frozenset(("__name__", "service", "version", "commit", "dependency", "requires"))

Target = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series.

    ``labels``: those that the sidecar exposed and those of its target, ``job`` and ``instance``
    above all.
    """

    name: str
    labels: Mapping[str, str]
    value: float

    @property
    def place(self) -> tuple[str, str]:
        """The target, as Prometheus names it: ``job`` and ``instance``."""
        return self.labels.get("job", ""), self.labels.get("instance", "")

    @property
    def target(self) -> Target:
        """The target by all of its own labels: an address may be that of two clusters, or of one
        pod after another. A ``version`` that discovery puts on it is the same on all of its series,
        and can be left out."""
        return frozenset(
            (name, value)
            for name, value in self.labels.items()
            if name.removeprefix("exported_") not in _EXPOSED
        )


@dataclass(frozen=True, slots=True)
class SilentTarget:
    """A target that is known and does not answer now.

    ``last_service``: the service that it last said to be, "" = it never did. ``since``: when it was
    last heard (unix seconds), None = never, as far as the source remembers. ``why``: the reason,
    in a few words.
    """

    job: str
    instance: str
    last_service: str
    since: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Current:
    """What the fleet's replicas say of themselves, and which of them do not answer."""

    asked_at: float
    samples: tuple[Sample, ...]
    silent: tuple[SilentTarget, ...]


class Source(Protocol):
    """One place to ask. ``name`` is for messages: ``Prometheus at http://…``, ``3 targets``."""

    @property
    def name(self) -> str: ...

    async def current(self, names: Collection[str]) -> Current:
        """The newest value of every series of these metrics.

        Raises :class:`sidecar.errors.FleetError` where nothing can be said at all.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def parse_labels(given: object) -> dict[str, str]:
    """The labels of a series as a server sent them; raises ValueError for anything else."""
    if not isinstance(given, dict):
        raise ValueError("labels are an object")
    for text in (*given, *given.values()):
        if type(text) is not str or not (text.isascii() or text.encode()):  # no half of a pair
            raise ValueError("labels are texts")
    return given


def label(labels: Mapping[str, str], name: str) -> str:
    """What the sidecar exposed under ``name``, "" where nothing.

    Discovery may have put a label of its own under this name; Prometheus then keeps the exposed one
    under another (``exported_…``, unless ``honor_labels`` is set).
    """
    return labels.get(f"exported_{name}", labels.get(name, ""))


def printable(text: str) -> str:
    """Without what would move a terminal's cursor, or is no text at all (a lone surrogate)."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
