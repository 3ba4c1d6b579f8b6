"""What is enforced on every token, as far as it bounds how long an old key is needed. Pure."""

import math
from dataclasses import dataclass
from typing import Protocol


class AuthTerms(Protocol):
    """What a policy is read from: the ``auth`` settings."""

    @property
    def mode(self) -> str: ...
    @property
    def switch(self) -> str: ...
    @property
    def max_lifetime_s(self) -> float: ...
    @property
    def leeway_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that tokens are held to.

    ``max_lifetime_s`` bounds ``exp - iat`` of every token that is accepted; 0 = nothing does.
    """

    is_switch_enforced: bool
    max_lifetime_s: float
    leeway_s: float

    @classmethod
    def of(cls, auth: AuthTerms) -> "Policy":
        """What these settings enforce in fact.

        Outside ``mode: enforce`` tokens are forwarded whatever is wrong with them. A bounded
        lifetime needs no word on ``allow_unbounded``: with it, ``exp`` and ``iat`` are required.
        """
        enforces = auth.mode == "enforce"
        return cls(
            is_switch_enforced=enforces and auth.switch == "enforce",
            max_lifetime_s=auth.max_lifetime_s if enforces else 0.0,
            leeway_s=auth.leeway_s,
        )

    def last_death_after(self, since: float) -> float:
        """When the last token issued by ``since`` is dead on every clock: ``since + M + 3 leeway``.

        Three clocks are in it: the stater's, the signer's and the verifier's. Whole seconds,
        rounded up. Only where a lifetime is bounded.
        """
        if not self.max_lifetime_s:
            raise ValueError("no lifetime is enforced")
        return float(math.ceil(since + self.max_lifetime_s + 3 * self.leeway_s))
