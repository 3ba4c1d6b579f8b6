"""The door: rule, token and claims to a permit, or to the error that says why not.

In this order: the rule that the request falls under; ``deny`` and ``public`` decide without a look
at tokens; else the token is found, verified, and its claims held against the rule. Nobody forwards
a request without a :class:`Permit`.

Called by ``proxy.pipeline`` for each request.
"""

from typing import Final, NamedTuple

from sidecar.errors import AmbiguousPath, KeysUnavailable, TokenError, TokenForbidden, TokenMissing
from sidecar.tokens.extract import FieldValues, TokenExtractor
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.rules import DEFAULT, Access, Rule, Rules
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.verify import VerifiedToken, Verifier

__all__ = ["NO_SINGLE_RULE", "Access", "Authorizer", "Permit", "Rule", "Rules"]

#: Stands for a rule where the path is ambiguous.
NO_SINGLE_RULE: Final = "ambiguous"
_UNGUARDED = Rule(None, Access.PUBLIC)


class Permit(NamedTuple):
    """Leave to forward one request.

    ``refusal``: only in observe mode, what enforce would have answered.
    """

    rule: Rule
    token: VerifiedToken | None = None
    refusal: TokenError | None = None


class Authorizer:
    """Holds the rules, the places of tokens and the memory of verified tokens."""

    def __init__(self, settings: AuthSettings) -> None:
        self.rules = Rules(settings.rules)
        self.verifier = Verifier(settings)
        self._extractor = TokenExtractor(settings)
        self._mode = settings.mode
        self._observes = settings.mode == "observe"
        self._unguarded = Permit(_UNGUARDED)

    def permit(
        self,
        method: str,
        path: bytes,
        values: FieldValues,
        keyring: Keyring,
        now: float,
        query: bytes | None = None,
    ) -> Permit:
        """``path`` and ``query`` as they were sent; ``now`` in unix seconds.

        ``auth.mode``: ``enforce`` raises :class:`AmbiguousPath` or a :class:`TokenError`;
        ``observe`` never raises, the permit holds the refusal; ``off`` looks at nothing.
        """
        if self._mode == "off":
            return self._unguarded
        try:
            rule = self.rules.match(method, path)
        except AmbiguousPath as error:
            if not self._observes:
                raise
            # The nearest of the closed set of words for what befalls a token.
            refusal = TokenForbidden(error.detail)
            refusal.rule = NO_SINGLE_RULE
            return Permit(DEFAULT, refusal=refusal)
        if rule.access is Access.PUBLIC:
            return Permit(rule)
        return self._with_token(rule, values, query, keyring, now)

    def _with_token(
        self, rule: Rule, values: FieldValues, query: bytes | None, keyring: Keyring, now: float
    ) -> Permit:
        token: VerifiedToken | None = None
        try:
            if rule.access is Access.DENY:
                raise TokenForbidden("No request passes here.")
            text = self._extractor.extract(values, query)
            if text is not None:
                token = self.verifier.verify(text, keyring, now)
                _check_conditions(rule, token, keyring)
            elif rule.access is Access.TOKEN:
                # Who has no token would only get one that cannot be judged either.
                raise TokenMissing if keyring.by_id or keyring.revoked_keys else KeysUnavailable
        except TokenError as refusal:
            refusal.rule = rule.name
            if not self._observes:
                raise
            return Permit(rule, token, refusal)
        return Permit(rule, token)

    def status(self, permit: Permit) -> str | None:
        """The value of ``X-Auth-Status``: ``ok`` or the reason word; ``None`` but in observe."""
        if not self._observes:
            return None
        return "ok" if permit.refusal is None else permit.refusal.reason


def _check_conditions(rule: Rule, token: VerifiedToken, keyring: Keyring) -> None:
    for condition in rule.conditions:
        if not condition.holds(token.claims):
            error = TokenForbidden("A claim of the token is not what the rule demands.")
            error.key_id, error.generation = token.key_id, keyring.generation(token.key_id)
            error.issued_at = token.issued_at
            raise error
