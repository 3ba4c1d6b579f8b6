"""Room for as many open files as the configuration lets connections in.

Without a descriptor no connection is accepted, the admin port's included, so the probes would fail
where callers were to be answered 503. Many container runtimes begin with 1024 and let a process
raise that itself. Refuses nothing: what is missing is said in the log.

Called by ``app.lifecycle`` before the ports are opened.
"""

import logging
import sys
from typing import Final

from sidecar.config.settings import Settings

log = logging.getLogger("sidecar.app")

#: For listeners, the admin port, files of keys, sources, dependencies, and callers told 503.
RESERVE: Final = 256


def make_room(settings: Settings) -> None:
    """Raise the soft limit of open files (RLIMIT_NOFILE) as far as is needed and allowed."""
    if sys.platform == "win32":
        return
    import resource  # not on Windows

    needed = needed_descriptors(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        except (OSError, ValueError):  # some systems allow less than their hard limit says
            allowed = soft
    if allowed < needed:
        log.warning(
            "The process may open fewer files than its limits of connections need; beyond that, "
            "nobody is answered, probes included. Raise the hard limit of open files (nofile), or "
            "lower limits.connections.",
            extra={"data": {"allowed": allowed, "needed": needed}},
        )


def needed_descriptors(settings: Settings) -> int:
    """One for each connection of a caller and to the application, two for each outbound call."""
    calls = settings.outbound.max_connections if settings.outbound.listen else 0
    return settings.limits.connections + settings.upstream.max_connections + 2 * calls + RESERVE
