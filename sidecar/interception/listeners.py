"""Who listens in this network namespace, as the kernel tells (proc_pid_net(5)).

So that the application's user is not taken for the sidecar's where nobody said who that is. What
cannot be read is not known, and no error. Called by ``cli.intercept``.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN: Final = "0A"  # TCP_LISTEN of linux/tcp_states.h


def load_listening_users() -> dict[int, int]:
    """The user for each TCP port that somebody listens at."""
    found: dict[int, int] = {}
    for table in _TABLES:
        with suppress(OSError):  # a kernel without IPv6 has only the first
            found.update(parse_listeners(table.read_text()))
    return found


def parse_listeners(table: str) -> Iterator[tuple[int, int]]:
    """Port and user of each listening socket of such a table."""
    for line in table.splitlines()[1:]:
        _, local, _, state, _, _, _, uid, *_ = line.split()
        if state == _LISTEN:
            yield int(local.rpartition(":")[2], 16), int(uid)
