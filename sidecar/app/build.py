"""The composition root: makes every room's objects and joins them. Only wiring.

Called by ``app.lifecycle`` once, inside the event loop.
"""

import asyncio
import os
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sidecar import __version__
from sidecar.admin.changes import Changes
from sidecar.admin.console import Console
from sidecar.admin.readiness import Readiness
from sidecar.admin.routes import AdminView, build_admin
from sidecar.app.application import Application
from sidecar.app.calls import build_outbound
from sidecar.app.contradictions import Contradictions
from sidecar.app.memory import Memory
from sidecar.app.reports import Reports, accepted_by_key
from sidecar.app.versions import Versions
from sidecar.config.load import Loaded
from sidecar.config.settings import Settings
from sidecar.config.show import report
from sidecar.errors import TOKEN_REASONS
from sidecar.keys.build import build_sources
from sidecar.keys.revoked import TokenList
from sidecar.keys.store import KeyStore
from sidecar.keys.unknown import UnknownKeys
from sidecar.metrics.callers import Callers
from sidecar.metrics.clock import Clock
from sidecar.metrics.dependencies import Dependencies
from sidecar.metrics.history import History
from sidecar.metrics.issued import IssuedTokens
from sidecar.metrics.limits import Limits
from sidecar.metrics.registry import build_registry
from sidecar.metrics.rules import RuleTally
from sidecar.metrics.service import ServiceInfo
from sidecar.metrics.sources import KeySources
from sidecar.metrics.tokens import Tokens
from sidecar.metrics.traffic import Traffic
from sidecar.net.fetch import fetch
from sidecar.net.original_dst import is_of_this_host
from sidecar.proxy.credentials import Credentials
from sidecar.proxy.issued import IssueWatcher
from sidecar.proxy.outbound import Outbound
from sidecar.proxy.pipeline import Pipeline
from sidecar.proxy.record import Recorder
from sidecar.proxy.server import Server
from sidecar.proxy.tunnels import Tunnels
from sidecar.rotation.policy import Policy
from sidecar.tokens.permit import NO_SINGLE_RULE, Authorizer
from sidecar.tokens.reissue import Reissuer
from sidecar.tokens.removal import TokenRemoval
from sidecar.tokens.settings import AuthSettings
from sidecar.upstream.client import Upstream
from sidecar.upstream.ports import ApplicationPorts, Surroundings
from sidecar.versions.stamp import stamp_from_environment
from sidecar.wire.headers import REWRITTEN, Filter
from sidecar.wire.identity import Identity, fold


@dataclass(frozen=True, slots=True)
class App:
    """One sidecar, ready to be started."""

    settings: Settings
    store: KeyStore
    readiness: Readiness
    server: Server
    outbound: Outbound
    upstream: Upstream | ApplicationPorts
    tunnels: Tunnels
    versions: Versions
    history: History
    changes: Changes
    memory: Memory
    issued: IssueWatcher | None
    issued_tokens: IssuedTokens | None
    contradictions: Contradictions
    admin: web.Application


def build_store(settings: Settings) -> KeyStore:
    """The key store of these settings; nothing is loaded yet."""
    auth = settings.auth
    sources = build_sources(settings.keyring, fetch)
    if auth.revoked_tokens is not None:
        sources.append(TokenList(Path(auth.revoked_tokens)))
    return KeyStore(
        sources,
        newest=auth.newest,
        signing_since=auth.signing_since,
        clock=time.time,
        revoked=auth.revoked,
    )


def build_app(
    loaded: Loaded,
    store: KeyStore,
    memory: Memory,
    reissuer: Reissuer | None,
    tasks: asyncio.TaskGroup,
    drain: Callable[[], None],
    own_ports: Set[int] = frozenset(),
) -> App:
    """Everything, joined; ``memory`` has the ledger, ``drain`` is called when the admin port is
    asked to drain, ``own_ports`` are those that the sidecar listens on."""
    settings = loaded.settings
    auth = settings.auth
    loop = asyncio.get_running_loop()
    policy = Policy.of(auth)
    identity = Identity(auth.forward.claims)
    removal = TokenRemoval(auth)
    rules = _rule_tally(auth)
    ledger = memory.ledger
    traffic = Traffic()
    surroundings = Surroundings(own_ports, is_of_this_host)
    application = Application(settings, loop, surroundings)
    upstream = application.upstream
    tunnels = Tunnels(
        settings.tunnel, loop, leeway_s=auth.leeway_s, enforces=auth.mode == "enforce"
    )
    readiness = Readiness(starting="The sidecar is starting.")
    versions = Versions(settings, stamp_from_environment(os.environ), readiness, application.asked)
    callers = Callers(settings.version.callers)
    unknown_keys = UnknownKeys(store.remote_sources)
    issued = _build_watcher(memory, store, policy, unknown_keys)
    issued_tokens = IssuedTokens(ledger.issuing, lambda: store.current) if ledger.issuing else None
    pipeline = Pipeline(
        service=settings.service,
        limits=settings.limits,
        version=versions.answer(),
        version_field=versions.field(),
        authorizer=Authorizer(auth),
        keyring=lambda: store.current,
        unknown_keys=unknown_keys,
        identity=identity,
        credentials=Credentials(removal, reissuer),
        fields=_request_filter(auth, removal, identity),
        upstream=upstream,
        tunnels=tunnels,
        recorder=Recorder(
            traffic, ledger, rules, settings.log.access, callers, lambda: store.current
        ),
        tasks=tasks,
        issued=issued,
    )
    versions.follow(pipeline)
    outbound = build_outbound(settings, versions, surroundings, tasks)
    collectors = [
        Tokens(ledger, store, policy, auth.mode == "enforce", time.time),
        KeySources(lambda: store.observed),
        rules,
        traffic,
        Limits(settings.limits.connections, settings.limits.in_flight),
        Clock(time.time),
        ServiceInfo(settings.service, versions.statement, __version__),
        Dependencies(versions.watches),
        application.opaque_traffic,
        outbound.traffic,
        callers,
        *([issued_tokens] if issued_tokens is not None else []),
    ]
    history = History(lambda: accepted_by_key(store, ledger))
    changes = Changes()
    reports = Reports(
        store, ledger, policy, versions, readiness, history, changes, auth.show_subjects
    )
    view = AdminView(
        readiness=readiness,
        registry=build_registry(collectors),
        version=versions.document,
        keys_report=reports.keys,
        dependencies_report=reports.dependencies,
        config_report=lambda: report(settings, loaded.origins),
        console=Console(reports.state),
        drain=drain,
    )
    server = Server(
        pipeline, settings.limits, settings.timeouts, traffic, tasks, application.door()
    )
    return App(
        settings=settings,
        store=store,
        readiness=readiness,
        server=server,
        outbound=outbound,
        upstream=upstream,
        tunnels=tunnels,
        versions=versions,
        history=history,
        changes=changes,
        memory=memory,
        issued=issued,
        issued_tokens=issued_tokens,
        contradictions=Contradictions(ledger, policy),
        admin=build_admin(view),
    )


def _build_watcher(
    memory: Memory, store: KeyStore, policy: Policy, unknown_keys: UnknownKeys
) -> IssueWatcher | None:
    """What watches the answers; None where this service hands out no tokens."""
    issuing = memory.ledger.issuing
    if memory.places is None or issuing is None:
        return None
    return IssueWatcher(
        memory.places,
        issuing,
        lambda: store.current,
        policy,
        look_for_keys=unknown_keys.resolve,
        record=memory.cover,
    )


def _request_filter(auth: AuthSettings, removal: TokenRemoval, identity: Identity) -> Filter:
    """Which of a client's fields end here: those that only we write, and those that carry a token
    which is not passed on, in every spelling that an application may read as one of them. Of a
    token that is passed on, every other spelling than the one that was verified."""
    hidden = REWRITTEN | {fold(header.encode("ascii")) for header in removal.headers}
    tokens = frozenset(
        place.header.lower().encode("ascii") for place in auth.places if place.header
    )
    folded_tokens = frozenset(map(fold, tokens))

    def ends_here(key: bytes) -> bool:
        folded = fold(key)
        is_respelled = folded in folded_tokens and key not in tokens
        return folded in hidden or is_respelled or identity.is_forged(key)

    return Filter(ends_here, guarded=tokens)


def _rule_tally(auth: AuthSettings) -> RuleTally:
    """The tally of refusals, with the rules that can refuse, and why each can."""
    without_missing = [reason for reason in TOKEN_REASONS if reason != "missing"]
    possible = {"token": TOKEN_REASONS, "optional": without_missing, "deny": ("forbidden",)}
    reasons = {
        str(index): possible[rule.access]
        for index, rule in enumerate(auth.rules)
        if rule.access in possible
    }
    reasons |= {"default": TOKEN_REASONS, NO_SINGLE_RULE: ("forbidden",)}
    return RuleTally(reasons if auth.mode != "off" else {}, refuses=auth.mode == "enforce")
