"""The configured sources of keys, as objects.

Called by ``app.build``, and by the command line for the keyring of a command.
"""

from collections.abc import Sequence
from pathlib import Path

from sidecar.errors import FetchError
from sidecar.keys.remote import Answer, Fetch, RemoteSource
from sidecar.keys.schedule import Schedule
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.source import KeySource, PathSource


async def _refuse(url: str, *, etag: str | None, ca: str | None) -> Answer:
    raise FetchError("is not asked: only files are read here")


def build_sources(settings: Sequence[KeySourceSettings], fetch: Fetch = _refuse) -> list[KeySource]:
    """The sources of ``auth.keyring``, in its order; ``fetch`` is how those elsewhere are asked."""
    sources: list[KeySource] = []
    shown = [_shown(each) for each in settings]
    for index, each in enumerate(settings):
        if each.path is not None:
            sources.append(PathSource(Path(each.path)))
            continue
        number = shown[: index + 1].count(shown[index])
        name = shown[index] if number == 1 else f"{shown[index]} ({number})"
        sources.append(RemoteSource(name, each, fetch, Schedule(each.refresh_s)))
    return sources


def _shown(settings: KeySourceSettings) -> str:
    """The source's name for people and metrics: a query may hold what is nobody's business."""
    return settings.path or settings.issuer or (settings.url or "").partition("?")[0]
