"""The composition root: makes every room's objects and joins them. Only wiring.

Called by ``app.lifecycle`` once, inside the event loop.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sidecar import __version__
from sidecar.admin.readiness import Readiness
from sidecar.admin.report import build_keys_report
from sidecar.admin.routes import AdminView, build_admin
from sidecar.config.load import Loaded
from sidecar.config.settings import Settings
from sidecar.config.show import report
from sidecar.keys.store import KeyStore, build_sources
from sidecar.metrics.registry import build_registry
from sidecar.metrics.service import ServiceInfo
from sidecar.metrics.tokens import Tokens
from sidecar.metrics.traffic import Traffic
from sidecar.proxy.pipeline import Pipeline, VersionAnswer
from sidecar.proxy.record import Recorder
from sidecar.proxy.server import Server
from sidecar.proxy.tunnels import Tunnels
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy
from sidecar.tokens.permit import Authorizer
from sidecar.upstream.client import Upstream
from sidecar.versions.stamp import ServiceVersion, stamp_from_environment
from sidecar.wire.headers import REWRITTEN, Filter
from sidecar.wire.identity import Identity


@dataclass(frozen=True, slots=True)
class App:
    """One sidecar, ready to be started."""

    settings: Settings
    store: KeyStore
    readiness: Readiness
    server: Server
    upstream: Upstream
    tunnels: Tunnels
    admin: web.Application


def build_store(settings: Settings) -> KeyStore:
    """The key store of these settings; nothing is loaded yet."""
    return KeyStore(
        build_sources(settings.keyring),
        newest=settings.auth.newest,
        signing_since=settings.auth.signing_since,
        clock=time.time,
    )


def build_app(
    loaded: Loaded, store: KeyStore, tasks: asyncio.TaskGroup, drain: Callable[[], None]
) -> App:
    """Everything, joined; ``drain`` is called when the admin port is asked to drain."""
    settings = loaded.settings
    auth = settings.auth
    loop = asyncio.get_running_loop()
    stamp = stamp_from_environment(os.environ)
    policy = Policy.of(auth)
    identity = Identity(auth.forward.claims)
    ledger = Ledger(observing_since=time.time(), leeway_s=auth.leeway_s)
    traffic = Traffic()
    upstream = Upstream(settings.upstream, loop)
    tunnels = Tunnels(
        settings.tunnel, loop, leeway_s=auth.leeway_s, enforces=auth.mode == "enforce"
    )
    version = version_document(settings.service, stamp)
    pipeline = Pipeline(
        service=settings.service,
        limits=settings.limits,
        version=VersionAnswer(
            frozenset(path.encode() for path in settings.version.paths), _json(version)
        ),
        authorizer=Authorizer(auth),
        keyring=lambda: store.current,
        identity=identity,
        fields=_request_filter(settings, identity),
        upstream=upstream,
        tunnels=tunnels,
        recorder=Recorder(traffic, ledger, settings.log.access),
        tasks=tasks,
    )
    readiness = Readiness(starting="The sidecar is starting.")
    collectors = [
        Tokens(ledger, store, policy, auth.mode == "enforce", time.time),
        traffic,
        ServiceInfo(settings.service, stamp.version, stamp.commit, stamp.is_known, __version__),
    ]
    view = AdminView(
        readiness=readiness,
        registry=build_registry(collectors),
        version=version,
        keys_report=lambda: build_keys_report(store.current, ledger, policy, time.time()),
        config_report=lambda: report(settings, loaded.origins),
        drain=drain,
    )
    server = Server(pipeline, settings.limits, settings.timeouts, traffic, tasks)
    return App(settings, store, readiness, server, upstream, tunnels, build_admin(view))


def version_document(service: str, stamp: ServiceVersion) -> dict[str, Any]:
    """What ``GET /version`` answers."""
    return {
        "service": service,
        "version": stamp.version,
        "commit": stamp.commit,
        "sidecar": __version__,
    }


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _request_filter(settings: Settings, identity: Identity) -> Filter:
    """Which of a client's fields end here: those that we write, and the token where it is kept."""
    ours = REWRITTEN
    if settings.auth.forward.token == "strip":
        headers = (place.header for place in settings.auth.places)
        ours |= {header.lower().encode("ascii") for header in headers if header}
    return Filter(lambda key: key in ours or identity.is_forged(key))
