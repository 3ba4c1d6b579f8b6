"""Wires what has to do with versions: the service's own, and those of the services that it needs.

Called by ``app.build``, which puts the parts in their places; ``app.lifecycle`` runs ``tasks``.
"""

import asyncio
import json
import time
from collections.abc import Coroutine, Iterator
from functools import partial
from typing import Any

from sidecar import __version__
from sidecar.admin.readiness import Readiness
from sidecar.config.settings import Settings
from sidecar.dependencies.application import Application
from sidecar.dependencies.probe import Probe
from sidecar.dependencies.watch import Watch
from sidecar.net.fetch import Fetcher
from sidecar.proxy.pipeline import Pipeline, VersionAnswer
from sidecar.proxy.version import VersionField
from sidecar.upstream.ask import ask
from sidecar.upstream.client import Upstream
from sidecar.versions.stamp import ServiceVersion
from sidecar.versions.statement import Statement

_QUESTION_DEADLINE_S = 5.0
_MAX_ANSWER_BYTES = 1 << 20


class Versions:
    """The service's version as it is known at each moment, and the watches over others'."""

    def __init__(
        self,
        settings: Settings,
        stamp: ServiceVersion,
        readiness: Readiness,
        upstream: Upstream | None,
    ) -> None:
        """``upstream``: the way of a question to the application, where it has to be asked."""
        self._service = settings.service
        self._settings = settings.version
        self._readiness = readiness
        self._pipelines: list[Pipeline] = []
        follows_application = settings.version.source == "app"
        self._stated = Statement(stamp, follows_application=follows_application)
        self._application = self._build_application(upstream)
        self._fetcher = Fetcher()
        self.watches = [
            Watch(Probe(name, each, self._fetcher.fetch), readiness, time.time)
            for name, each in settings.dependencies.items()
        ]

    def statement(self) -> Statement:
        """What is known of the service's version."""
        return self._stated

    def document(self) -> dict[str, Any]:
        """What ``GET /version`` answers. Who needs this service waits while it is not ready."""
        document: dict[str, Any] = {
            "service": self._service,
            **self._stated.version.as_object(),
            "sidecar": __version__,
        }
        if self._application is not None:
            document |= self._stated.document()
        return document if self._readiness.is_ready else document | {"ready": False}

    def answer(self) -> VersionAnswer:
        """The same for the inbound port, as bytes."""
        paths = frozenset(path.encode() for path in self._settings.paths)
        return VersionAnswer(paths, lambda: json.dumps(self.document()).encode() + b"\n")

    def field(self) -> VersionField | None:
        """What writes ``X-Service-Version`` on answers; None where it is off."""
        if self._settings.header == "off":
            return None
        replaces = self._settings.header == "replace"
        return VersionField(self._stated.version.version, replaces=replaces)

    def follow(self, pipeline: Pipeline) -> None:
        """From now on ``pipeline`` is told when the version becomes another one."""
        self._pipelines.append(pipeline)

    def tasks(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What runs as long as the sidecar does."""
        if self._application is not None:
            yield self._application.run()
        yield self._watch()

    async def _watch(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for watch in self.watches:
                    group.create_task(watch.run())
        finally:
            await self._fetcher.close()

    def _build_application(self, upstream: Upstream | None) -> Application | None:
        path = self._settings.verify
        if path is None or upstream is None:
            return None
        question = partial(
            ask, upstream, path, deadline_s=_QUESTION_DEADLINE_S, max_bytes=_MAX_ANSWER_BYTES
        )
        return Application(self._stated, question, self._change)

    def _change(self, statement: Statement) -> None:
        self._stated = statement
        for pipeline in self._pipelines:
            pipeline.version_field = self.field()
