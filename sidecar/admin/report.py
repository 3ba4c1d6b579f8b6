"""The report of ``GET /keys``: every key of the keyring, what was seen of it, and its verdict.

It puts together what ``tokens`` and ``rotation`` know and judges nothing itself. The form is the
contract's; times are RFC 3339 in UTC, ``null`` where there is none.
"""

from collections.abc import Sequence
from typing import Any

from sidecar.keys.status import SourceStatus
from sidecar.rotation.evidence import Evidence
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.moment import format_moment
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Verdict, judge
from sidecar.tokens.keyring import Key, Keyring


def build_keys_report(
    keyring: Keyring,
    ledger: Ledger,
    policy: Policy,
    now: float,
    sources: Sequence[SourceStatus] = (),
) -> dict[str, Any]:
    """The report as JSON-able values, newest key first.

    ``switch`` is what is in force: ``enforce`` only where tokens are in fact refused. No issued
    token is watched, so ``issued_total`` and ``unwatched_until`` are ``null``: not known, not 0.
    ``revoked``: the keys that were taken out, ``said`` where; ``revoked_tokens``: how many tokens
    are taken out one by one. ``sources``: where the keys are from, and how those are doing.
    """
    evidence = ledger.evidence(keyring.order, now)
    verdicts = judge(
        Succession(keyring.by_id, keyring.newest, keyring.signing_since),
        evidence,
        policy,
        observing_since=ledger.observing_since,
        now=now,
        watch=ledger.watch(),
    )
    return {
        "observing_since": format_moment(ledger.observing_since),
        "unwatched_until": None,
        "switch": "enforce" if policy.is_switch_enforced else "declare",
        "keys": [
            _key(keyring, keyring.by_id[key_id], evidence[key_id], verdicts[key_id])
            for key_id in reversed(keyring.order)
        ],
        "revoked": _revoked(keyring),
        "revoked_tokens": len(keyring.revoked_tokens),
        "sources": [_source(each, now) for each in sources],
    }


def _key(keyring: Keyring, key: Key, seen: Evidence, verdict: Verdict) -> dict[str, Any]:
    return {
        "id": key.id,
        "generation": keyring.generation(key.id),
        "algorithm": key.algorithm,
        "thumbprint": key.thumbprint,
        "source": key.source,
        "accepted_total": seen.accepted_total,
        "issued_total": None,
        "live_tokens": seen.live_tokens,
        "last_used_at": _moment(seen.last_used_at),
        "last_issued_at": _moment(seen.newest_issued_at),
        "latest_expiry_at": _moment(seen.latest_expiry_at),
        "signing_since": _moment(keyring.signing_since.get(key.id)),
        "state": str(verdict.state),
        "basis": str(verdict.basis),
        "retirable_at": _moment(verdict.retirable_at),
        "why": verdict.why,
    }


def _revoked(keyring: Keyring) -> list[dict[str, str | None]]:
    """Every id that was taken out; of a key that no source has, only that is known."""
    keys = {key.id: key for key in keyring.revoked_keys}
    return [
        {
            "id": key_id,
            "said": said,
            "thumbprint": keys[key_id].thumbprint if key_id in keys else None,
            "source": keys[key_id].source if key_id in keys else None,
        }
        for key_id, said in keyring.revoked.items()
    ]


def _source(status: SourceStatus, now: float) -> dict[str, Any]:
    """``age_s``: the seconds since all that it gave was read well."""
    at = status.last_success_at
    return {
        "name": status.name,
        "up": status.is_up,
        "last_success_at": _moment(at),
        "age_s": None if at is None else round(max(now - at, 0.0), 3),
        "last_error": status.last_error,
        "keys": list(status.key_ids),
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else format_moment(at)
