"""Refusals by access rule: every rule is there from the start, and nothing else ever is."""

from prometheus_client import CollectorRegistry

from sidecar.metrics.rules import MAX_RULES_IN_FULL, RuleTally

NAME = "sidecar_rule_rejected_total"


def samples(tally: RuleTally) -> dict[tuple[str, str, str], float]:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(tally)
    return {
        (sample.labels["rule"], sample.labels["reason"], sample.labels["enforced"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == NAME
    }


def test_a_rule_that_refused_nothing_shows_a_zero() -> None:
    tally = RuleTally({"0": ["forbidden"], "default": ["missing", "expired"]}, refuses=False)
    assert samples(tally) == {
        ("0", "forbidden", "false"): 0,
        ("default", "missing", "false"): 0,
        ("default", "expired", "false"): 0,
    }


def test_refusals_are_counted_by_rule_reason_and_whether_they_were_real() -> None:
    tally = RuleTally({"0": ["missing"]}, refuses=True)
    for _ in range(2):
        tally.rejected("0", "expired", enforced=True)
    tally.rejected("0", "expired", enforced=False)
    assert samples(tally) == {
        ("0", "missing", "true"): 0,
        ("0", "expired", "true"): 2,
        ("0", "expired", "false"): 1,
    }


def test_with_very_many_rules_only_the_likeliest_reason_of_each_is_there_at_once() -> None:
    reasons = {str(index): ["missing", "expired"] for index in range(MAX_RULES_IN_FULL + 1)}
    assert {reason for _, reason, _ in samples(RuleTally(reasons, refuses=True))} == {"missing"}
