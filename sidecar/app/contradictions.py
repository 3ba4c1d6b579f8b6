"""Says aloud that a stated switch is contradicted by what is seen, once for each key and statement.

Swept by ``app.lifecycle``.
"""

import logging

from sidecar.rotation.contradiction import find_contradictions
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.moment import format_moment
from sidecar.rotation.policy import Policy
from sidecar.tokens.keyring import Keyring

log = logging.getLogger("sidecar.keys")


class Contradictions:
    """Remembers what was said. Where the switch is enforced such tokens are refused, so their
    bearers suffer, and it is an error."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        self._ledger = ledger
        self._policy = policy
        self._said: set[tuple[str, float]] = set()

    def sweep(self, keyring: Keyring) -> None:
        """Look, and speak up about what is new."""
        closed = keyring.closed_since
        if not closed:
            return
        found = find_contradictions(self._ledger, closed, self._policy.leeway_s)
        for key_id, issued_at in found.items():
            if (key_id, closed[key_id]) not in self._said:
                self._said.add((key_id, closed[key_id]))
                self._say(key_id, closed[key_id], issued_at)

    def _say(self, key_id: str, since: float, issued_at: float) -> None:
        enforced = self._policy.is_switch_enforced
        log.log(
            logging.ERROR if enforced else logging.WARNING,
            "A token of the key %s was issued at %s, though all signers are said to use a newer "
            "key since %s: a signer lags behind%s.",
            key_id,
            format_moment(issued_at),
            format_moment(since),
            ", and its tokens are refused" if enforced else "",
            extra={"data": {"key": key_id, "stated": format_moment(since)}},
        )
