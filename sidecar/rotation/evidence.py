"""What was seen of keys up to a moment, as values. Ledgers write them, verdicts read them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evidence:
    """One key's tokens as they were presented. Times are unix seconds; None = never.

    ``newest_issued_at`` is that of every token whose signature held, refused ones too: it tells
    when somebody signed with the key. The other extremes are of accepted tokens.
    """

    accepted_total: int = 0
    last_used_at: float | None = None
    newest_issued_at: float | None = None
    latest_expiry_at: float | None = None
    has_unbounded: bool = False
    live_tokens: int = 0
    refused_total: int = 0
    last_refused_at: float | None = None
    refused_after_switch: int = 0
    longest_lifetime_s: float | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """One key's tokens as they were handed out, by one replica. Times are unix seconds.

    Issue times are the tokens' ``iat``; of a token without one, the moment it was handed out.
    ``refused_total``: tokens that an enforced switch did not let out; they count nowhere else.
    """

    total: int = 0
    first_issued_at: float | None = None
    newest_issued_at: float | None = None
    latest_expiry_at: float | None = None
    has_unbounded: bool = False
    refused_total: int = 0
    longest_lifetime_s: float | None = None


#: Nothing at all.
NOTHING_SEEN = Evidence()
NOTHING_ISSUED = Issued()


@dataclass(frozen=True, slots=True)
class Watch:
    """What a sidecar saw handed out by the service beside it.

    ``unknown``: tokens that no key of the keyring verifies. ``unwatched_until``: the last moment at
    which a token may have been handed out unseen, None = watched from birth. ``ended_at``: the
    last word, after which nothing is handed out any more; None = it has not ended.
    """

    issued: Mapping[str, Issued] = field(default_factory=dict)
    unknown: Issued = NOTHING_ISSUED
    unwatched_until: float | None = None
    ended_at: float | None = None

    def of(self, key_id: str) -> Issued:
        """What was handed out under the key."""
        return self.issued.get(key_id, NOTHING_ISSUED)
