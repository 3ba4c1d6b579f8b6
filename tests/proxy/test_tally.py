"""The reasons for which each rule can refuse are counted from zero."""

from sidecar.app.build import _rule_tally
from sidecar.errors import TOKEN_REASONS
from sidecar.tokens.settings import AuthSettings, RuleSettings


def test_every_reason_of_every_rule_that_can_refuse_is_there_before_the_first_request() -> None:
    kinds = ("token", "optional", "public", "deny")
    rules = tuple(RuleSettings((f"/{kind}",), access=kind) for kind in kinds)
    totals = _rule_tally(AuthSettings(rules=rules)).totals
    assert set(totals.values()) == {0}
    there = {rule: {reason for each, reason, _ in totals if each == rule} for rule, _, _ in totals}
    assert there == {
        "0": set(TOKEN_REASONS),
        "1": set(TOKEN_REASONS) - {"missing"},
        "3": {"forbidden"},
        "default": set(TOKEN_REASONS),
        "ambiguous": {"forbidden"},
    }
