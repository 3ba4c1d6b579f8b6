"""Holds the current keyring, and makes a new one when its sources have changed.

The keyring is swapped whole; whoever took a reference keeps a consistent one. It is never emptied
by what disappears: an emptied Secret is an accident, and a rotation leaves a key; whoever wants
nothing accepted any more revokes the keys. What changed and what is wrong is logged once, by names
of files and ids of keys. It starts no task: ``refresh`` does.

Made by ``app.build``; read by the proxy for every request, and by the metrics and admin pages.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import is_
from threading import Lock
from typing import Final

from sidecar.keys.announce import log_change, log_troubles
from sidecar.keys.merge import Order, merge
from sidecar.keys.remote import RemoteSource
from sidecar.keys.revoked import TokenList
from sidecar.keys.source import KeySource, SourceReading, Trouble
from sidecar.keys.status import (
    SourceStatus,
    error_of,
    is_pending,
    result_of,
    status_of,
    troubles_of,
)
from sidecar.tokens.keyring import Keyring

_WANTED: Final = "*.pem, *.pub, *.jwk, *.jwks or *.json"
_UNREAD: Final = SourceReading()


class KeyStore:
    """``clock`` tells the time in unix seconds.

    ``reloads`` counts, by result, the loads that changed something: ``ok``, ``partial`` (something
    could not be used) and ``failed`` (nothing could). ``last_success_at`` is when everything was
    last found to be in order, whether it had changed or not; of what is asked over the network,
    when it last answered well.
    """

    def __init__(
        self,
        sources: Sequence[KeySource],
        *,
        newest: str | None,
        signing_since: Mapping[str, float],
        clock: Callable[[], float],
        revoked: Sequence[str] = (),
    ) -> None:
        self.current: Keyring = Keyring.EMPTY
        self.last_success_at: float | None = None
        self.reloads: dict[str, int] = Counter()
        self._sources = tuple(sources)
        self._order = Order(newest, signing_since, dict.fromkeys(revoked, "auth.revoked"))
        self._clock = clock
        self._file_lock = Lock()
        self._lock = Lock()
        self._was_read = False
        self._files: dict[KeySource, SourceReading] = {}
        self._files_read_at = 0.0
        self._readings: tuple[SourceReading, ...] = ()
        self._used: tuple[SourceReading, ...] = ()
        self._last_with_keys: tuple[SourceReading, ...] = ()
        self._troubles: list[Trouble] = []
        self._succeeded_at: dict[KeySource, float] = {}

    @property
    def observed(self) -> list[SourceStatus]:
        """The state of each source at the last load."""
        return [
            status_of(source, reading, self._succeeded_at.get(source))
            for source, reading in zip(self._sources, self._used, strict=False)
        ]

    @property
    def remote_sources(self) -> tuple[RemoteSource, ...]:
        """Those that ``refresh`` has to ask."""
        return tuple(source for source in self._sources if isinstance(source, RemoteSource))

    def load(self) -> bool:
        """Look at every source, and swap the keyring if that changes it; whether it did.

        Blocks on files. Safe to call from any thread.
        """
        with self._file_lock:
            self._files = {
                source: source.load()
                for source in self._sources
                if not isinstance(source, RemoteSource)
            }
            self._files_read_at = self._clock()
            return self.take_news()

    def take_news(self) -> bool:
        """As ``load``, without a look at files: never waits for anything."""
        with self._lock:
            readings = tuple(map(self._reading_of, self._sources))
            has_news = not self._was_read or not all(map(is_, readings, self._readings))
            if has_news:
                self._was_read = True
                self._readings, self._used = readings, self._with_last_keys(readings)
            self._note_successes(self._used)
            return has_news and self._take(self._used)

    def explain_waiting(self) -> str:
        """Why tokens cannot be judged yet, in one sentence; nothing where they can.

        That is until there is a key, and every source was asked once.
        """
        pending = [source.name for source in self._sources if is_pending(source)]
        if self.current.by_id and pending:
            return f"Keys are awaited from {', '.join(pending)}."
        return self.explain_empty()

    def explain_empty(self) -> str:
        """Why there is no key, in one sentence; nothing where there is one.

        Where every key was revoked there are keys, and nothing to wait for: tokens are refused.
        """
        if self.current.by_id or self.current.revoked_keys:
            return ""
        if not self._sources:
            return "No source of keys is configured."
        reasons = [
            error_of(source, reading) or f"{source.name} holds no file named {_WANTED}"
            for source, reading in zip(self._sources, self._used, strict=False)
            if not isinstance(source, TokenList)
        ]
        return f"There is no usable key: {'; '.join(reasons) or 'nothing was read yet'}."

    def _reading_of(self, source: KeySource) -> SourceReading:
        if isinstance(source, RemoteSource):
            return source.load()
        return self._files.get(source, _UNREAD)

    def _with_last_keys(self, readings: tuple[SourceReading, ...]) -> tuple[SourceReading, ...]:
        """The readings; where no source has a key left, with the keys that there were last."""
        if any(reading.keys for reading in readings):
            self._last_with_keys = readings
            return readings
        return tuple(
            replace(now, keys=before.keys, problems=(*now.problems, _emptied(source)))
            if before.keys
            else now
            for source, now, before in zip(
                self._sources, readings, self._last_with_keys or readings, strict=True
            )
        )

    def _take(self, readings: tuple[SourceReading, ...]) -> bool:
        merged = merge(readings, self._order)
        troubles = troubles_of(zip(self._sources, readings, strict=True), merged)
        log_troubles(self._troubles, troubles)
        self._troubles = troubles
        if not any(map(is_pending, self._sources)):
            self.reloads[result_of(readings, merged)] += 1
        has_changed = _content(self.current) != _content(merged.keyring)
        if has_changed:
            log_change(self.current, merged.keyring)
            self.current = merged.keyring
        return has_changed

    def _note_successes(self, readings: tuple[SourceReading, ...]) -> None:
        is_all_well = True
        for source, reading in zip(self._sources, readings, strict=True):
            is_well = error_of(source, reading) is None
            is_all_well = is_all_well and is_well
            if isinstance(source, RemoteSource):
                if source.succeeded_at is not None:
                    self._succeeded_at[source] = source.succeeded_at
            elif is_well:
                self._succeeded_at[source] = self._files_read_at
        if is_all_well:
            self.last_success_at = min(self._succeeded_at.values(), default=self._files_read_at)


def _emptied(source: KeySource) -> Trouble:
    text = "holds no key any more; its last good keys stay in use"
    return Trouble(source.name, text, is_grave=True)


def _content(keyring: Keyring) -> object:
    """All that makes one keyring different from another."""
    keys = [(key.id, key.thumbprint, key.algorithms, key.source) for key in keyring.by_id.values()]
    revoked = dict(keyring.revoked), keyring.revoked_tokens
    return keys, keyring.newest, dict(keyring.signing_since), revoked
