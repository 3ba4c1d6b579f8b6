"""Looks at files of keys: what lies in a directory, whether it changed, what a file holds.

A change is seen in names, times, sizes and inodes, and in where ``..data`` points, which is how
Kubernetes swaps all files of a mounted Secret or ConfigMap at once. Nothing here is ever opened for
writing, and nothing that is not a regular file is read, so that no pipe can hold us up.

Called by ``source``.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sidecar.errors import FileUnreadable, KeyFileError
from sidecar.tokens.parse import MAX_KEY_FILE_BYTES

#: Where a mounted Secret or ConfigMap really is.
_SWAPPED_LINK = "..data"


class Listing(NamedTuple):
    """The files that matter, by name, each with what changes when the file does.

    Two equal listings mean that nothing changed, as far as a listing can tell.
    """

    files: dict[str, tuple[int, ...]]
    swapped_to: str | None


def list_files(
    directory: Path, is_wanted: Callable[[str], bool], speaks_by_name: Callable[[str], bool]
) -> Listing:
    """Raises ``OSError`` where the directory cannot be listed.

    A link that leads nowhere is a file that is gone; a file that cannot be examined is listed, so
    that reading it will say why. Directories are left out, but for those that are called as what
    ``speaks_by_name``: nobody who put them there meant nothing.
    """
    names = sorted(path.name for path in directory.iterdir())
    files: dict[str, tuple[int, ...]] = {}
    for name in names:
        if not name.startswith(".") and is_wanted(name):
            marks = examine(directory / name)
            if marks is None and speaks_by_name(name) and (directory / name).is_dir():
                marks = ()
            if marks is not None:
                files[name] = marks
    directory.stat()  # names that led nowhere because the directory has gone meanwhile say nothing
    return Listing(files, _swapped_to(directory))


def examine(path: Path) -> tuple[int, ...] | None:
    """What changes when the file does; ``None`` where there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return ()
    if stat.S_ISDIR(status.st_mode):
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev)


def _swapped_to(directory: Path) -> str | None:
    try:
        return str((directory / _SWAPPED_LINK).readlink())
    except OSError:
        return None


def read_file(path: Path) -> bytes:
    """The content; raises ``FileNotFoundError``, or :class:`KeyFileError` saying what is wrong:
    :class:`FileUnreadable` where it is worth another try.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileUnreadable(f"cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise KeyFileError("is not a regular file")
    with open(descriptor, "rb") as file:  # noqa: PTH123  opened without waiting for a writer
        if status.st_size > MAX_KEY_FILE_BYTES:
            raise KeyFileError(f"is larger than {MAX_KEY_FILE_BYTES // 1024} KiB")
        try:
            return file.read(MAX_KEY_FILE_BYTES + 1)
        except OSError as error:
            raise FileUnreadable(f"cannot be read: {error.strerror}") from None
