"""Holds the current keyring, and makes a new one when its sources have changed.

The keyring is swapped whole; whoever took a reference keeps a consistent one. What changed and what
is wrong is logged once, by names of files and ids of keys. It starts no task: ``refresh`` does.

Made by ``app.build``; read by the proxy for every request, and by the metrics and admin pages.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from pathlib import Path
from threading import Lock
from typing import Final

from sidecar.keys.announce import log_change, log_troubles
from sidecar.keys.merge import Merged, Order, merge
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.source import KeySource, PathSource, SourceReading, Trouble
from sidecar.tokens.keyring import Keyring

_WANTED: Final = "*.pem, *.pub, *.jwk, *.jwks or *.json"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source is doing. ``last_success_at`` in unix seconds; ``last_error`` what is wrong
    with it now."""

    name: str
    key_ids: tuple[str, ...]
    last_success_at: float | None
    last_error: str | None


def build_sources(settings: Sequence[KeySourceSettings]) -> list[KeySource]:
    """The sources of ``auth.keyring``, in its order."""
    return [PathSource(Path(each.path)) for each in settings]


class KeyStore:
    """``clock`` tells the time in unix seconds.

    ``reloads`` counts, by result, the loads that changed something: ``ok``, ``partial`` (something
    could not be used) and ``failed`` (nothing could). ``last_success_at`` is when everything was
    last found to be in order, whether it had changed or not.
    """

    def __init__(
        self,
        sources: Sequence[KeySource],
        *,
        newest: str | None,
        signing_since: Mapping[str, float],
        clock: Callable[[], float],
    ) -> None:
        self.current: Keyring = Keyring.EMPTY
        self.last_success_at: float | None = None
        self.reloads: dict[str, int] = Counter()
        self._sources = tuple(sources)
        self._order = Order(newest, signing_since)
        self._clock = clock
        self._lock = Lock()
        self._was_read = False
        self._readings: tuple[SourceReading, ...] = ()
        self._merged = Merged(Keyring.EMPTY, (), ())
        self._succeeded_at: dict[str, float] = {}

    @property
    def observed(self) -> list[SourceStatus]:
        """The state of each source at the last load."""
        return [
            SourceStatus(
                source.name,
                tuple(key.id for key in reading.keys),
                self._succeeded_at.get(source.name),
                _error_of(source, reading),
            )
            for source, reading in zip(self._sources, self._readings, strict=False)
        ]

    def load(self) -> bool:
        """Look at every source, and swap the keyring if that changes it; whether it did.

        Blocks on files. Safe to call from any thread.
        """
        with self._lock:
            readings = tuple(source.load() for source in self._sources)
            self._note_successes(readings)
            if self._was_read and all(map(is_, readings, self._readings)):
                return False
            self._was_read = True
            return self._take(readings)

    def explain_empty(self) -> str:
        """Why there is no key, in one sentence; nothing where there is one."""
        if self.current.by_id:
            return ""
        if not self._sources:
            return "No source of keys is configured."
        reasons = [
            _error_of(source, reading) or f"{source.name} holds no file named {_WANTED}"
            for source, reading in zip(self._sources, self._readings, strict=False)
        ]
        return f"There is no usable key: {'; '.join(reasons) or 'nothing was read yet'}."

    def _take(self, readings: tuple[SourceReading, ...]) -> bool:
        before, merged = self._merged, merge(readings, self._order)
        log_troubles(
            _troubles(self._sources, self._readings, before),
            _troubles(self._sources, readings, merged),
        )
        self._readings, self._merged = readings, merged
        self.reloads[_result(readings, merged)] += 1
        has_changed = _content(self.current) != _content(merged.keyring)
        if has_changed:
            log_change(self.current, merged.keyring)
            self.current = merged.keyring
        return has_changed

    def _note_successes(self, readings: tuple[SourceReading, ...]) -> None:
        now = self._clock()
        well = [
            source.name
            for source, reading in zip(self._sources, readings, strict=True)
            if _error_of(source, reading) is None
        ]
        self._succeeded_at.update(dict.fromkeys(well, now))
        if len(well) == len(readings):
            self.last_success_at = now


def _error_of(source: KeySource, reading: SourceReading) -> str | None:
    if reading.error is not None:
        return f"{source.name} {reading.error}"
    return "; ".join(map(str, reading.problems)) or None


def _troubles(
    sources: Sequence[KeySource], readings: Sequence[SourceReading], merged: Merged
) -> list[Trouble]:
    errors = [
        Trouble(source.name, f"{reading.error}; what it held before stays in use")
        for source, reading in zip(sources, readings, strict=False)
        if reading.error is not None
    ]
    return [*errors, *merged.problems, *merged.notices]


def _result(readings: Sequence[SourceReading], merged: Merged) -> str:
    has_error = any(reading.error is not None for reading in readings)
    if not merged.keyring.by_id or (has_error and all(reading.error for reading in readings)):
        return "failed"
    return "partial" if has_error or merged.problems else "ok"


def _content(keyring: Keyring) -> object:
    """All that makes one keyring different from another."""
    keys = [(key.id, key.thumbprint, key.algorithms, key.source) for key in keyring.by_id.values()]
    return keys, keyring.newest, dict(keyring.signing_since)
