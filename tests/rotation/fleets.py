"""Fleets for tests: replicas of a service that hands out tokens and of one that takes them."""

from collections.abc import Mapping
from typing import Any

from sidecar.rotation.evidence import Evidence, Issued, Watch
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import Fleet, Replica, combined_ring
from sidecar.rotation.succession import Succession

HOUR = 3_600.0
S = 1_795_428_000.0  # 2026-11-23T10:00:00Z
M = 48 * HOUR
LEEWAY = 30.0
BOUND = M + 3 * LEEWAY
NOW = S + HOUR
BEFORE = S - 1_000 * HOUR

DECLARE = Policy(is_switch_enforced=False, max_lifetime_s=M, leeway_s=LEEWAY)
ENFORCE = Policy(is_switch_enforced=True, max_lifetime_s=M, leeway_s=LEEWAY)
UNBOUNDED = Policy(is_switch_enforced=False, max_lifetime_s=0, leeway_s=LEEWAY)


def issued(first: float, newest: float, lifetime: float = HOUR) -> Issued:
    """Tokens of one key, handed out from ``first`` to ``newest``."""
    return Issued(
        total=2,
        first_issued_at=first,
        newest_issued_at=newest,
        latest_expiry_at=newest + lifetime,
        longest_lifetime_s=lifetime,
    )


def seen(newest: float, expiry: float, live: int = 0) -> Evidence:
    """Tokens of one key that were presented."""
    return Evidence(
        accepted_total=5,
        last_used_at=newest,
        newest_issued_at=newest,
        latest_expiry_at=expiry,
        live_tokens=live,
    )


def ring(*ids: str, stated: Mapping[str, float] | None = None) -> Succession:
    """Keys in natural order, the last the newest."""
    return Succession(ids, ids[-1], stated or {})


def verifier(name: str = "t-0", **changes: Any) -> Replica:
    """A replica of a service that takes tokens."""
    values: dict[str, Any] = {
        "service": "thoughts",
        "name": name,
        "ring": ring("old", "young"),
        "policy": DECLARE,
        "observing_since": BEFORE,
        "scraped_at": NOW,
    }
    return Replica(**(values | changes))


def signer(name: str = "u-0", *pages: Issued | None, **changes: Any) -> Replica:
    """A replica of a service that hands out tokens; ``pages``: of ``old``, then of ``young``."""
    handed_out = {
        key_id: page for key_id, page in zip(("old", "young"), pages, strict=False) if page
    }
    return verifier(name, **({"service": "users", "watch": Watch(issued=handed_out)} | changes))


def switched(name: str = "u-0", **changes: Any) -> Replica:
    """A signer that used ``old`` until shortly before S and ``young`` since."""
    return signer(name, issued(BEFORE, S - 60), issued(S, S + 60), **changes)


def fleet(*replicas: Replica, **changes: Any) -> Fleet:
    """A fleet that has been watched for long."""
    present = [replica for replica in replicas if replica.gone_at is None]
    values: dict[str, Any] = {
        "ring": combined_ring(("old", "young"), present),
        "replicas": replicas,
        "now": NOW,
        "watched_since": BEFORE,
    }
    return Fleet(**(values | changes))
