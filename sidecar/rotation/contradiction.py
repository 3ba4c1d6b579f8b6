"""What contradicts a stated switch: a token of an ended key that was issued after it. Pure.

Called by the metrics and by ``app``, which says it aloud; the verdict has it from ``case``.
"""

from collections.abc import Mapping

from sidecar.rotation.ledger import Ledger


def find_contradictions(
    ledger: Ledger, closed_since: Mapping[str, float], leeway_s: float
) -> dict[str, float]:
    """Key id to the newest ``iat`` seen, presented or handed out, of every key that ought to have
    ended before that. ``closed_since``: when each ended, so the statements (unix seconds)."""
    contradicted: dict[str, float] = {}
    for key_id, since in closed_since.items():
        newest = ledger.newest_issued_at(key_id)
        if newest is not None and newest > since + leeway_s:
            contradicted[key_id] = newest
    return contradicted
