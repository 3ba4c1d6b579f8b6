"""One source of keys: a directory of key files, or a single one, read again whenever it changes.

What can be used is used. A file that breaks keeps its last good keys, or its last statement; a file
that disappears takes its keys with it at once; a directory that cannot be read keeps all of them.
It merges nothing with other sources and logs nothing: the store does, from the
:class:`SourceReading`.

Called by ``store``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from sidecar.errors import FileUnreadable, KeyFileError
from sidecar.keys.files import Listing, examine, list_files, read_file
from sidecar.keys.since import SUFFIX as SINCE_SUFFIX
from sidecar.keys.since import parse_since
from sidecar.tokens.keyring import Key
from sidecar.tokens.parse import KeyProblem, is_private_key, read_keys

KEY_SUFFIXES = frozenset((".pem", ".pub", ".jwk", ".jwks", ".json"))
#: ``ID.revoked`` takes key ID out by being there; what it holds is for people.
REVOKED_SUFFIX = ".revoked"
#: Never loaded; looked at only to warn of private keys.
PRIVATE_SUFFIX = ".key"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with a file or setting: ``where text`` is a sentence, and quotes no content.

    ``is_grave``: a private key lies where it must not, or every key has gone.
    """

    where: str
    text: str
    is_grave: bool = False

    def __str__(self) -> str:
        return f"{self.where} {self.text}"


@dataclass(frozen=True, slots=True)
class SourceReading:
    """What a source holds now.

    ``statements``: key id to the moment from which all signers use it, ``stated_by`` to the file
    that says so. ``problems``: files or keys
    that should be of use and are not. ``notices``: what somebody should know besides. ``error``:
    why the source as a whole could not be read; the rest is then from before. ``revoked``: ids of
    keys that are taken out, with the file that says so. ``revoked_tokens``: the ``jti`` of tokens
    that are.
    """

    keys: tuple[Key, ...] = ()
    statements: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[Trouble, ...] = ()
    notices: tuple[Trouble, ...] = ()
    error: str | None = None
    revoked: Mapping[str, str] = field(default_factory=dict)
    revoked_tokens: frozenset[str] = frozenset()
    stated_by: Mapping[str, str] = field(default_factory=dict)


class KeySource(Protocol):
    """Where the store gets keys from."""

    @property
    def name(self) -> str:
        """The source's name for people."""

    def load(self) -> SourceReading:
        """What it holds now; the very same object while nothing changed. May block, never raises
        for anything that is wrong with the source."""


@dataclass(frozen=True, slots=True)
class _KeyFile:
    """What was last read of one file; ``keys`` are the last good ones."""

    fingerprint: bytes
    keys: tuple[Key, ...]
    problems: tuple[KeyProblem, ...]


class PathSource:
    """A directory, or a single file, of the file system."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._was_directory = False
        self._files: dict[str, _KeyFile] = {}
        self._listing: Listing | None = None
        self._is_settled = False
        self._has_unreadable = False  # at the last look
        self._reading = SourceReading()

    def load(self) -> SourceReading:
        """See :class:`KeySource`."""
        try:
            listing = self._list()
            if listing == self._listing and self._is_settled:
                return self._reading
            self._has_unreadable = False
            reading = self._read(listing)
        except OSError as error:
            self._listing = None
            return self._keep(replace(self._reading, error=f"cannot be read: {error.strerror}"))
        # Two writes within one tick of the file system's clock look alike: after each change
        # everything is read once more. What could not be read has not been seen.
        self._is_settled = listing == self._listing and not self._has_unreadable
        self._listing = listing
        return self._keep(reading)

    def _keep(self, reading: SourceReading) -> SourceReading:
        if reading != self._reading:
            self._reading = reading
        return self._reading

    # --- which files ---

    def _list(self) -> Listing:
        if self._was_directory or self._path.is_dir():
            listing = list_files(self._path, _is_wanted, _is_statement)
            self._was_directory = True
            return listing
        directory = self._path.parent
        marks = examine(self._path)
        if marks is None:
            directory.stat()  # where the directory is gone too, the keys stay
            return Listing({}, None)
        try:
            statements, swapped_to = list_files(directory, _is_statement, _is_statement)
        except PermissionError:  # a file can be read in a directory that cannot be listed
            statements, swapped_to = {}, None
        return Listing({**statements, self._path.name: marks}, swapped_to)

    def _directory(self) -> Path:
        return self._path if self._was_directory else self._path.parent

    # --- what is in them ---

    def _read(self, listing: Listing) -> SourceReading:
        statements: dict[str, float] = {}
        stated_by: dict[str, str] = {}
        revoked: dict[str, str] = {}
        problems: list[Trouble] = []
        notices: list[Trouble] = []
        files: dict[str, _KeyFile] = {}
        for name in listing.files:
            path = self._directory() / name
            try:
                if name.endswith(REVOKED_SUFFIX):
                    revoked[name.removesuffix(REVOKED_SUFFIX)] = str(path)
                elif name.endswith(SINCE_SUFFIX):
                    key_id = name.removesuffix(SINCE_SUFFIX)
                    moment, wrong = self._read_statement(key_id, path)
                    problems += wrong
                    if moment is not None:
                        statements[key_id], stated_by[key_id] = moment, str(path)
                elif path.suffix == PRIVATE_SUFFIX and self._was_directory:
                    notices += _look_for_private_key(path)
                else:
                    files[name] = self._read_key_file(path)
            except FileNotFoundError:  # gone since it was listed
                self._directory().stat()  # with its directory: then all keys stay
                continue
        self._files = files
        if not self._was_directory and not files:
            problems.append(Trouble(self.name, "does not exist"))
        problems += [
            Trouble(str(self._directory() / name), problem.text, problem.is_private)
            for name, file in files.items()
            for problem in file.problems
        ]
        keys = tuple(key for file in files.values() for key in file.keys)
        return SourceReading(
            keys,
            statements,
            tuple(problems),
            tuple(notices),
            revoked=revoked,
            stated_by=stated_by,
        )

    def _read_statement(self, key_id: str, path: Path) -> tuple[float | None, list[Trouble]]:
        """The moment that the file says, and what is wrong with it. One that breaks is no word that
        was taken back: a switch may be held by it."""
        try:
            return parse_since(read_file(path)), []
        except KeyFileError as error:
            self._has_unreadable |= isinstance(error, FileUnreadable)
            before = self._reading.statements.get(key_id)
            used = "it is ignored" if before is None else "what it said before stays in use"
            return before, [Trouble(str(path), f"{error.detail}; {used}")]

    def _read_key_file(self, path: Path) -> _KeyFile:
        before = self._files.get(path.name)
        try:
            content = read_file(path)
        except KeyFileError as error:
            self._has_unreadable |= isinstance(error, FileUnreadable)
            return _broken(before, b"", (KeyProblem(error.detail),))
        fingerprint = sha256(content).digest()
        if before is not None and before.fingerprint == fingerprint:
            return before
        reading = read_keys(content, stem=path.stem, source=str(path))
        if not reading.keys:
            return _broken(before, fingerprint, reading.problems)
        return _KeyFile(fingerprint, reading.keys, reading.problems)


def _is_wanted(name: str) -> bool:
    suffix = Path(name).suffix
    return suffix in KEY_SUFFIXES or suffix == PRIVATE_SUFFIX or _is_statement(name)


def _is_statement(name: str) -> bool:
    """Whether a file says something about a key, without being one."""
    return name.endswith((SINCE_SUFFIX, REVOKED_SUFFIX))


def _broken(
    before: _KeyFile | None, fingerprint: bytes, problems: tuple[KeyProblem, ...]
) -> _KeyFile:
    keys = before.keys if before is not None else ()
    if keys:
        problems = tuple(
            replace(problem, text=f"{problem.text}; its last good keys stay in use")
            for problem in problems
        )
    return _KeyFile(fingerprint, keys, problems)


def _look_for_private_key(path: Path) -> list[Trouble]:
    try:
        content = read_file(path)
    except KeyFileError:  # as it should be: not ours to read
        return []
    if not is_private_key(content):
        return []
    text = "is a private key, which does not belong beside verification keys; it is not loaded"
    return [Trouble(str(path), text, is_grave=True)]
