"""What is known of a fleet at one moment: its rotation, its versions, and what it refused.

A value, put together by ``fleet.watch`` and shown by ``fleet.state``; two of them tell what has
changed (``fleet.changes``).
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.fleet.report import Report
from sidecar.fleet.source import Current, label
from sidecar.fleet.status import Status

REFUSALS: Final = "sidecar_tokens_rejected_total"

#: Reason, generation of the key, and whether it was enforced.
Refusal = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Picture:
    """``report``: of the keys, None where no replica says anything of any. ``refusals``: how often,
    since the replicas that answer have started."""

    report: Report
    status: Status
    refusals: Mapping[Refusal, int]


def count_refusals(current: Current) -> dict[Refusal, int]:
    """Refused tokens of all replicas that answer, by why."""
    counts: dict[Refusal, int] = defaultdict(int)
    for sample in current.samples:
        if sample.name == REFUSALS and math.isfinite(sample.value):  # a stranger may count in NaN
            reason, generation, enforced = (
                label(sample.labels, name) for name in ("reason", "generation", "enforced")
            )
            counts[reason, generation, enforced == "true"] += int(sample.value)
    return dict(counts)
