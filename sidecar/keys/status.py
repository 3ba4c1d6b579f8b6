"""How the sources of keys are doing, in words and in the terms of metrics. Pure.

Called by ``store``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidecar.keys.merge import Merged
from sidecar.keys.remote import RemoteSource
from sidecar.keys.source import KeySource, SourceReading, Trouble
from sidecar.rotation.moment import format_moment

Read = tuple[KeySource, SourceReading]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source is doing.

    ``key_ids``: the keys that it has, used here or not. ``is_up``: it could be read when it was
    last asked. ``last_success_at``: when that was last so, in unix seconds; for a path, when all of
    it was in order. ``last_error``: what is wrong with it now.
    """

    name: str
    key_ids: tuple[str, ...]
    is_up: bool
    last_success_at: float | None
    last_error: str | None


def status_of(
    source: KeySource, reading: SourceReading, last_success_at: float | None
) -> SourceStatus:
    """The status of a source that reads so."""
    return SourceStatus(
        name=source.name,
        key_ids=tuple(key.id for key in reading.keys),
        is_up=reading.error is None,
        last_success_at=last_success_at,
        last_error=error_of(source, reading),
    )


def error_of(source: KeySource, reading: SourceReading) -> str | None:
    """What is wrong with a source, in one sentence."""
    if reading.error is not None:
        return f"{source.name} {reading.error}"
    return "; ".join(map(str, reading.problems)) or None


def is_pending(source: KeySource) -> bool:
    """Whether it was never asked yet, so that its silence says nothing."""
    return isinstance(source, RemoteSource) and not source.was_asked


def troubles_of(read: Iterable[Read], merged: Merged) -> list[Trouble]:
    """Everything that somebody should know, with what is used in place of what is missing."""
    errors = [
        Trouble(source.name, f"{reading.error}; {_what_is_used(source, reading)}")
        for source, reading in read
        if reading.error is not None and not is_pending(source)
    ]
    return [*errors, *merged.problems, *merged.notices]


def _what_is_used(source: KeySource, reading: SourceReading) -> str:
    if not isinstance(source, RemoteSource):
        return "what it held before stays in use"
    if source.succeeded_at is None:
        return "it has not given any keys yet"
    if not reading.keys:
        return "it has no keys in use"
    return f"its keys of {format_moment(source.succeeded_at)} stay in use"


def result_of(readings: Sequence[SourceReading], merged: Merged) -> str:
    """The word under which a reload is counted."""
    has_error = any(reading.error is not None for reading in readings)
    if not merged.keyring.by_id or (has_error and all(reading.error for reading in readings)):
        return "failed"
    return "partial" if has_error or merged.problems else "ok"
