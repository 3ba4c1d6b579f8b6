"""Every collector of metrics, as in a sidecar in which everything is configured and has happened.

So each of their metrics has samples, and with them its labels. Nothing is started: the ledger, the
keyring and the counts are made by hand. Used by ``metrics``; a test holds that none is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sidecar import __version__
from sidecar.dependencies.finding import State
from sidecar.dependencies.watch import Status
from sidecar.errors import TOKEN_REASONS
from sidecar.keys.status import SourceStatus
from sidecar.metrics.callers import Callers
from sidecar.metrics.clock import Clock
from sidecar.metrics.dependencies import Dependencies
from sidecar.metrics.issued import IssuedTokens
from sidecar.metrics.limits import Limits
from sidecar.metrics.opaque import OpaqueTraffic
from sidecar.metrics.outbound import OutboundTraffic
from sidecar.metrics.rules import RuleTally
from sidecar.metrics.service import ServiceInfo
from sidecar.metrics.sources import KeySources
from sidecar.metrics.tokens import Tokens
from sidecar.metrics.traffic import Traffic
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy
from sidecar.setting import PortRange
from sidecar.tokens.keyring import Key, Keyring
from sidecar.versions.stamp import ServiceVersion
from sidecar.versions.statement import Statement

_NOW: Final = 1_800_000_000.0
_LEEWAY_S: Final = 30.0
_VERSION: Final = ServiceVersion("v2.3", "c0ffee")


@dataclass(frozen=True, slots=True)
class Subject:
    """The collectors of one part of the page, and what is to be said of all of them."""

    title: str
    collectors: tuple[Collector, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Store:
    current: Keyring
    reloads: Mapping[str, int]
    last_success_at: float | None = _NOW


@dataclass(frozen=True, slots=True)
class _Dependency:
    name: str
    requires: str
    status: Status


def subjects() -> Sequence[Subject]:
    """All of them, in the order of the page."""
    keyring = _keyring()
    return (
        Subject(
            "Tokens and keys",
            (_tokens(keyring),),
            "Who presents tokens of which key, and what follows from it for this replica.",
        ),
        Subject(
            "Tokens that are handed out",
            (IssuedTokens(Issuing(scope="", unwatched_until=None), lambda: keyring),),
            'There from 0 where `auth.issues` is configured, else not at all. `key="none"`: signed'
            " with a key that the keyring does not have.",
        ),
        Subject("Sources of keys", (_sources(),), "`source` is a path or URL of `auth.keyring`."),
        Subject(
            "Access rules",
            (RuleTally({"default": TOKEN_REASONS}, refuses=True),),
            "`rule` is the index of a rule in `auth.rules`, or `default` where none matches.",
        ),
        Subject(
            "Requests",
            (_traffic(), Limits(connections=10_000, in_flight=0)),
            "`method` is one of HTTP's, `code` a status code; what is neither is `other`.",
        ),
        Subject(
            "Opaque ports",
            (OpaqueTraffic([PortRange(5432, 5432)]),),
            "There where `opaque_ports` is configured.",
        ),
        Subject(
            "The application's own calls",
            (_outbound(),),
            "There where `outbound` is configured. `dependency` is one of `dependencies`, or"
            " `other`.",
        ),
        Subject(
            "What the service needs",
            (Dependencies([_dependency()]),),
            "There where `dependencies` is configured.",
        ),
        Subject(
            "Who calls",
            (_callers(),),
            "There where `version.callers` is configured. `version` is one in the grammar of"
            " versions, `unknown` or `other`.",
        ),
        Subject(
            "What runs here",
            (
                ServiceInfo("users-backend", lambda: Statement(_VERSION, _VERSION), __version__),
                Clock(lambda: _NOW),
                ProcessCollector(registry=CollectorRegistry()),
            ),
        ),
    )


def _keyring() -> Keyring:
    keys = [
        Key(key_id, ("RS256",), object(), f"thumbprint-{key_id}", f"/keys/{key_id}.pub")
        for key_id in ("2026-05", "2026-08", "2026-11")
    ]
    return Keyring(keys, revoked={"2026-05": "auth.revoked"})


def _tokens(keyring: Keyring) -> Tokens:
    ledger = Ledger(observing_since=_NOW, leeway_s=_LEEWAY_S)
    policy = Policy(is_switch_enforced=True, max_lifetime_s=3600.0, leeway_s=_LEEWAY_S)
    return Tokens(ledger, _Store(keyring, {}), policy, True, lambda: _NOW)


def _sources() -> KeySources:
    status = SourceStatus("/keys", (), is_up=True, last_success_at=_NOW, last_error=None)
    return KeySources(lambda: [status])


def _traffic() -> Traffic:
    traffic = Traffic()
    traffic.record("GET", 200, 0.001, 0.001)
    return traffic


def _outbound() -> OutboundTraffic:
    outbound = OutboundTraffic(["users-backend"], is_on=True)
    outbound.answered("users-backend", 200)
    outbound.observe("users-backend", b"v2.3", _NOW)
    return outbound


def _dependency() -> _Dependency:
    counts = {str(state): 1 for state in State if state is not State.PENDING}
    return _Dependency("users-backend", ">=v2.3", Status(service="users-backend", counts=counts))


def _callers() -> Callers:
    callers = Callers(["frontend"])
    callers.count({b"x-client-service": b"frontend", b"x-client-version": b"v5.0"}, _NOW)
    return callers
