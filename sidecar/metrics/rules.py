"""What was refused, or would have been, under each access rule: so that a team can see zero.

Rules are named by their index in ``auth.rules``, the rule that holds where none matches by
``default``. Every rule that can refuse has a sample from the start, since a zero that was scraped
is evidence and a missing sample is not. ``proxy.record`` counts; ``metrics.registry`` exports.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class RuleTally(Collector):
    """``expected``: the name of each rule that can refuse, and the reason that is likeliest there.
    ``refuses``: requests are refused for real (``auth.mode: enforce``)."""

    def __init__(self, expected: Iterable[tuple[str, str]], *, refuses: bool) -> None:
        self._totals = {(rule, reason, refuses): 0 for rule, reason in expected}

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
