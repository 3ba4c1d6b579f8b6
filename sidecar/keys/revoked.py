"""What is taken out by name: ``ID.revoked`` beside the keys, and the list of revoked tokens.

A file ``ID.revoked`` takes key ID out by being there; what it holds is for people (why, by whom)
and is not read. The list holds the ``jti`` of one token a line; ``#`` begins a comment. A list that
breaks or disappears keeps its last good content: taking a token out must not be undone by accident.

``source`` finds the files beside the keys; ``app.build`` gives the list to the store.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from sidecar.errors import FileUnreadable, KeyFileError
from sidecar.keys.files import examine, read_file
from sidecar.keys.source import SourceReading

MAX_TOKEN_ID_LENGTH: Final = 512


class TokenList:
    """The file at ``path``, read again whenever it changes: a source that has no keys."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._marks: tuple[int, ...] | None = None
        self._is_settled = False
        self._is_unreadable = False
        self._reading = SourceReading()

    def load(self) -> SourceReading:
        """See :class:`sidecar.keys.source.KeySource`."""
        marks = examine(self._path)
        if marks == self._marks and self._is_settled:
            return self._reading
        # Two writes within one tick of the file system's clock look alike: after each change it is
        # read once more. What could not be read has not been seen.
        is_same, self._marks = marks == self._marks, marks
        self._is_unreadable = False
        reading = self._read() if marks is not None else self._broken("is no file that is there")
        self._is_settled = is_same and not self._is_unreadable
        if reading != self._reading:
            self._reading = reading
        return self._reading

    def _read(self) -> SourceReading:
        try:
            content = read_file(self._path)
            if not content and self._reading.revoked_tokens:
                # A file that is being written anew is empty for a moment; whoever means it can
                # leave a comment.
                return self._broken("is empty; a line with a # takes everything back")
            return SourceReading(revoked_tokens=parse_token_ids(content))
        except FileNotFoundError:  # gone since it was looked at
            return self._broken("is no file that is there")
        except KeyFileError as error:
            self._is_unreadable = isinstance(error, FileUnreadable)
            return self._broken(error.detail)

    def _broken(self, error: str) -> SourceReading:
        return replace(self._reading, error=error)


def parse_token_ids(content: bytes) -> frozenset[str]:
    """One id a line; raises :class:`KeyFileError`, naming the line and never quoting it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeyFileError("is not UTF-8 text") from None
    token_ids: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
        if not comment:
            continue
        token_id = words[0]
        if comment > 1:
            raise KeyFileError(f"has more than one id in line {number}")
        if len(token_id) > MAX_TOKEN_ID_LENGTH or not token_id.isprintable():
            raise KeyFileError(f"has something in line {number} that is no token's id")
        token_ids.add(token_id)
    return frozenset(token_ids)
