"""What was refused, or would have been, under each access rule: so that a team can see zero.

Rules are named by their index in ``auth.rules``, the rule that holds where none matches by
``default``. Every reason of every rule that can refuse has a sample from the start: a zero that
was scraped is evidence, a missing sample is not, and one that is born as 1 is no increase.
``proxy.record`` counts; ``metrics.registry`` exports.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

#: With more rules than this only the likeliest reason of each is there from the start.
MAX_RULES_IN_FULL: Final = 100


class RuleTally(Collector):
    """``reasons``: for the name of each rule that can refuse, why it can, the likeliest first.
    ``refuses``: requests are refused for real (``auth.mode: enforce``)."""

    def __init__(self, reasons: Mapping[str, Sequence[str]], *, refuses: bool) -> None:
        many = len(reasons) > MAX_RULES_IN_FULL
        self._totals = {
            (rule, reason, refuses): 0
            for rule, possible in reasons.items()
            for reason in (possible[:1] if many else possible)
        }

    @property
    def totals(self) -> Mapping[tuple[str, str, bool], int]:
        """(rule, reason, enforced) -> requests."""
        return self._totals

    def rejected(self, rule: str, reason: str, *, enforced: bool) -> None:
        """A request was refused, or with ``enforced=False`` would have been.

        All three come from closed sets: no request can make up a name.
        """
        entry = (rule, reason, enforced)
        self._totals[entry] = self._totals.get(entry, 0) + 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "sidecar_rule_rejected",
            "Requests that were refused, or (enforced=false) would have been, by access rule.",
            labels=("rule", "reason", "enforced"),
        )
        for (rule, reason, enforced), count in self._totals.items():
            family.add_metric((rule, reason, str(enforced).lower()), count)
        yield family
