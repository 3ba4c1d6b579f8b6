"""``state_dir``: the one file in which a ledger outlives its process, read and written with care.

What cannot be believed (damaged, another program's, another service's, of a newer form) is set
aside under another name and named in the log, never used and never overwritten. Writing is atomic
and on disk when it returns; what is there is readable by this user only. One sidecar at a time: the
directory is locked for as long as the process lives. What a record says is ``rotation.record``'s.

Blocks on the disk; ``app.memory`` calls it from a thread.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidecar.errors import ConfigError, MemoryUnusable
from sidecar.rotation.record import Record, parse_record

log = logging.getLogger("sidecar.app")

LEDGER: Final = "ledger.json"
_LOCK: Final = "lock"
_MAX_BYTES: Final = 16 * 1024 * 1024


class StateDir:
    """``service`` is written beside the record: one of another service says nothing about ours.

    ``has_set_aside``: there was something, and it could not be believed.
    """

    def __init__(self, path: Path, service: str) -> None:
        self.path = path
        self._service = service
        self._lock: int | None = None
        self.has_set_aside = False

    def open(self) -> None:
        """Make the directory if need be, and lock it.

        Raises :class:`ConfigError` where that can never work, or another sidecar has it; OSError
        where the disk is full or cannot be written.
        """
        import fcntl  # not on Windows

        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ConfigError(f"state_dir: {self.path} is not a directory") from None
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConfigError(
                f"state_dir: {self.path} is in use by another sidecar; each needs its own"
            ) from None
        self._lock = lock

    def close(self) -> None:
        """Let another sidecar have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, now: float) -> Record | None:
        """The record of an earlier run; None where there is none that can be believed."""
        file = self.path / LEDGER
        try:
            content = _read(file)
            return self._parse(content)
        except FileNotFoundError:
            return None
        except (MemoryUnusable, OSError) as error:
            why = error.detail if isinstance(error, MemoryUnusable) else "It cannot be read."
            self._set_aside(file, why, now)
            return None

    def write(self, record: Record) -> None:
        """Replace the record; once this returns, no crash undoes it. Raises OSError."""
        document = {"service": self._service, "ledger": record.document()}
        content = json.dumps(document, separators=(",", ":")).encode()
        fresh = self.path / f".{LEDGER}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self.path / LEDGER)
        self._sync()

    def forget(self) -> bool:
        """Remove the record, since it is not true any more; whether it is gone."""
        with suppress(OSError):
            (self.path / f".{LEDGER}.new").unlink(missing_ok=True)
        try:
            (self.path / LEDGER).unlink(missing_ok=True)
            self._sync()
        except OSError:
            return False
        return True

    def _parse(self, content: bytes) -> Record:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise MemoryUnusable("It is damaged: it is not JSON.") from None
        if not isinstance(document, dict) or document.keys() != {"service", "ledger"}:
            raise MemoryUnusable("It is not a ledger of a sidecar.")
        if document["service"] != self._service:
            raise MemoryUnusable("It is the ledger of another service.")
        return parse_record(document["ledger"])

    def _set_aside(self, file: Path, why: str, now: float) -> None:
        self.has_set_aside = True
        aside = file.with_name(f"{file.stem}.set-aside-{int(now)}-{os.getpid()}{file.suffix}")
        data = {"file": str(file), "set_aside_as": str(aside), "why": why}
        try:
            file.rename(aside)
        except OSError as error:
            data["set_aside_as"] = f"not at all: {error.strerror}"
        log.warning(
            "What an earlier run remembered cannot be used, and is set aside: what was seen "
            "before now is not known.",
            extra={"data": data},
        )

    def _sync(self) -> None:
        """The directory's own content, the new name, on disk as well."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise MemoryUnusable("It is larger than any ledger.")
    return content
