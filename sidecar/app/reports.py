"""What the admin port tells, made of what every room knows at that moment. Only wiring.

Made by ``app.build``.
"""

import time
from dataclasses import dataclass
from typing import Any

from sidecar.admin.changes import Changes
from sidecar.admin.dependencies import build_dependencies_report
from sidecar.admin.readiness import Readiness
from sidecar.admin.report import build_keys_report
from sidecar.admin.state import Past, build_state
from sidecar.app.versions import Versions
from sidecar.keys.store import KeyStore
from sidecar.metrics.history import Accepted, History
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy


@dataclass(frozen=True, slots=True)
class Reports:
    """The reports that more than one page is made of."""

    store: KeyStore
    ledger: Ledger
    policy: Policy
    versions: Versions
    readiness: Readiness
    history: History
    changes: Changes
    shows_subjects: bool

    def keys(self) -> dict[str, Any]:
        """``/keys``."""
        store = self.store
        return build_keys_report(
            store.current,
            self.ledger,
            self.policy,
            time.time(),
            store.observed,
            shows_subjects=self.shows_subjects,
        )

    def dependencies(self) -> dict[str, Any]:
        """``/dependencies``."""
        return build_dependencies_report(self.versions.watches, time.time())

    def state(self) -> dict[str, Any]:
        """``/state``."""
        return build_state(
            version=self.versions.document(),
            waits_for=self.readiness.reasons(),
            keys=self.keys(),
            dependencies=self.dependencies(),
            past=Past(self.ledger.rejections, self.history.points, self.changes.latest),
            now=time.time(),
        )


def accepted_by_key(store: KeyStore, ledger: Ledger) -> Accepted:
    """How many tokens of each key were accepted so far, of those that were seen at all."""
    ring = store.current
    return {
        key_id: (ring.generation(key_id), ledger.usage(key_id).accepted_total)
        for key_id in ledger.key_ids
        if key_id in ring.by_id
    }
