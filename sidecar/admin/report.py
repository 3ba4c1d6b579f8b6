"""The report of ``GET /keys``: every key of the keyring, what was seen of it, and its verdict.

It puts together what ``tokens`` and ``rotation`` know and judges nothing itself. The form is the
contract's; times are RFC 3339 in UTC, ``null`` where there is none.
"""

from collections.abc import Sequence
from typing import Any

from sidecar.errors import UNREADABLE_REASONS
from sidecar.keys.status import SourceStatus
from sidecar.rotation.evidence import NOTHING_ISSUED, Evidence, Watch
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.moment import format_moment
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import latest
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Verdict, judge
from sidecar.tokens.keyring import Key, Keyring


def build_keys_report(
    keyring: Keyring,
    ledger: Ledger,
    policy: Policy,
    now: float,
    sources: Sequence[SourceStatus] = (),
    *,
    shows_subjects: bool = False,
) -> dict[str, Any]:
    """The report as JSON-able values, newest key first.

    ``switch`` is what is in force: ``enforce`` only where tokens are in fact refused. Where no
    answers are watched, ``issued_total`` and everything else about what is handed out is ``null``:
    not known, not 0. ``last_issued_at`` and ``latest_expiry_at`` are of every token that was seen,
    presented or handed out. ``issuing`` is what the watching as a whole has to say.
    ``subjects``: who brought the last tokens of an old key, as digests unless ``shows_subjects``.
    ``revoked``: the keys that were taken out, ``said`` where; ``revoked_tokens``: how many tokens
    are taken out one by one. ``sources``: where the keys are from, and how those are doing.
    """
    evidence, watch = ledger.evidence(keyring.order, now), ledger.watch()
    verdicts = judge(
        Succession(keyring.by_id, keyring.newest, keyring.signing_since),
        evidence,
        policy,
        observing_since=ledger.observing_since,
        now=now,
        watch=watch,
    )
    return {
        "observing_since": format_moment(ledger.observing_since),
        "unwatched_until": None if watch is None else _moment(watch.unwatched_until),
        "switch": "enforce" if policy.is_switch_enforced else "declare",
        "keys": [
            _key(keyring, keyring.by_id[key_id], evidence[key_id], watch, verdicts[key_id])
            | _subjects(keyring, ledger, key_id, shows=shows_subjects)
            for key_id in reversed(keyring.order)
        ],
        "issuing": None if ledger.issuing is None else _issuing(ledger.issuing),
        "revoked": _revoked(keyring),
        "revoked_tokens": len(keyring.revoked_tokens),
        "sources": [_source(each, now) for each in sources],
    }


def _key(
    keyring: Keyring, key: Key, seen: Evidence, watch: Watch | None, verdict: Verdict
) -> dict[str, Any]:
    issued = NOTHING_ISSUED if watch is None else watch.of(key.id)
    return {
        "id": key.id,
        "generation": keyring.generation(key.id),
        "algorithm": key.algorithm,
        "thumbprint": key.thumbprint,
        "source": key.source,
        "accepted_total": seen.accepted_total,
        "issued_total": None if watch is None else issued.total,
        "live_tokens": seen.live_tokens,
        "last_used_at": _moment(seen.last_used_at),
        "last_issued_at": _moment(latest((seen.newest_issued_at, issued.newest_issued_at))),
        "latest_expiry_at": _moment(latest((seen.latest_expiry_at, issued.latest_expiry_at))),
        "signing_since": _moment(keyring.signing_since.get(key.id)),
        "stated_by": keyring.stated_by.get(key.id),
        "state": str(verdict.state),
        "basis": str(verdict.basis),
        "retirable_at": _moment(verdict.retirable_at),
        "why": verdict.why,
    }


def _subjects(
    keyring: Keyring, ledger: Ledger, key_id: str, *, shows: bool
) -> dict[str, list[dict[str, Any]]]:
    if ledger.subjects is None or key_id == keyring.newest:
        return {}
    bearers = ledger.subjects.of(key_id, show=shows)
    return {
        "subjects": [
            {"subject": each.subject, "last_used_at": format_moment(each.last_used_at)}
            for each in bearers
        ]
    }


def _issuing(issuing: Issuing) -> dict[str, Any]:
    """``refused``: tokens that an enforced switch held back; ``unknown``: those handed out that no
    key of the keyring verifies; ``unreadable``: answers in which none was found, by reason."""
    watch = issuing.watch()
    return {
        "ended_at": _moment(watch.ended_at),
        "refused": {
            key_id: page.refused_total
            for key_id, page in watch.issued.items()
            if page.refused_total
        },
        "unknown_total": watch.unknown.total,
        "unknown_last_at": _moment(watch.unknown.newest_issued_at),
        "unreadable": {reason: issuing.unreadable.get(reason, 0) for reason in UNREADABLE_REASONS},
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
