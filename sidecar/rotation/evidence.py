"""What was seen of one key up to a moment, as a value. The ledger writes it, verdicts read it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One key's tokens as they were presented. Times are unix seconds; None = never."""

    accepted_total: int = 0
    last_used_at: float | None = None
    newest_issued_at: float | None = None
    latest_expiry_at: float | None = None
    has_unbounded: bool = False
    live_tokens: int = 0
    refused_total: int = 0
    last_refused_at: float | None = None
    refused_after_switch: int = 0


#: Nothing at all.
NOTHING_SEEN = Evidence()
