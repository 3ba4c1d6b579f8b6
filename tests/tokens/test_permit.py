"""The door as a whole: rule, token and claims, in three modes."""

from collections.abc import Sequence
from typing import Any

import pytest

from sidecar.errors import (
    AmbiguousPath,
    BadSignature,
    KeysUnavailable,
    TokenDuplicate,
    TokenError,
    TokenForbidden,
    TokenMalformed,
    TokenMissing,
)
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.permit import Access, Authorizer, Permit
from sidecar.tokens.settings import AuthSettings, RuleSettings
from tests.tokens.minting import CLAIMS, NOW, key, mint

RING = Keyring([key("k")])
RULES = (
    RuleSettings(("/healthz",), access="public"),
    RuleSettings(("/internal/*",), access="deny"),
    RuleSettings(("/admin/*",), claims={"role": "admin"}),
    RuleSettings(("/feed",), access="optional", claims={"role": "admin"}),
)
GOOD, FORGED = mint(), mint(number=1)
ADMIN = mint({**CLAIMS, "role": "admin"})


def permit(
    path: bytes, *tokens: bytes, mode: str = "enforce", ring: Keyring = RING, **settings: Any
) -> Permit:
    fields = {b"authorization": [b"Bearer " + token for token in tokens]}

    def values(name: bytes) -> Sequence[bytes]:
        return fields.get(name, ())

    authorizer = Authorizer(AuthSettings(mode=mode, rules=RULES, **settings))
    return authorizer.permit("GET", path, values, ring, NOW)


def test_a_good_token_opens_a_path_that_needs_one() -> None:
    given = permit(b"/me", GOOD)
    assert given.token is not None
    assert given.token.claims["username"] == "bruce"
    assert given.rule.index is None
    assert given.refusal is None


def test_no_token_where_one_is_needed_is_missing() -> None:
    with pytest.raises(TokenMissing):
        permit(b"/me")


def test_a_public_path_is_open_and_tokens_are_not_looked_at() -> None:
    for tokens in ((), (GOOD,), (FORGED,), (b"x",), (GOOD, GOOD)):
        given = permit(b"/healthz", *tokens, ring=Keyring.EMPTY)
        assert given.rule.access is Access.PUBLIC
        assert given.token is None


def test_a_denied_path_is_closed_to_every_token() -> None:
    for tokens in ((), (ADMIN,), (b"x",)):
        with pytest.raises(TokenForbidden) as caught:
            permit(b"/internal/x", *tokens)
        assert (caught.value.key_id, caught.value.generation) == (None, "none")


def test_a_rules_claims_must_be_the_tokens() -> None:
    assert permit(b"/admin/x", ADMIN).rule.index == 2
    with pytest.raises(TokenForbidden) as caught:
        permit(b"/admin/x", GOOD)
    assert (caught.value.key_id, caught.value.generation) == ("k", "new")
    with pytest.raises(TokenMissing):
        permit(b"/admin/x")


def test_where_a_token_is_optional_absent_is_fine_and_wrong_is_not() -> None:
    assert permit(b"/feed").token is None
    assert permit(b"/feed", ADMIN).token is not None
    with pytest.raises(BadSignature):
        permit(b"/feed", FORGED)
    with pytest.raises(TokenForbidden):
        permit(b"/feed", GOOD)


def test_two_tokens_are_a_duplicate() -> None:
    with pytest.raises(TokenDuplicate):
        permit(b"/me", GOOD, GOOD)


def test_while_there_are_no_keys_only_public_paths_are_open() -> None:
    with pytest.raises(KeysUnavailable):
        permit(b"/me", GOOD, ring=Keyring.EMPTY)


def test_an_ambiguous_path_is_refused_before_any_token_is_looked_at() -> None:
    with pytest.raises(AmbiguousPath):
        permit(b"//admin/x", ADMIN)


@pytest.mark.parametrize(
    ("path", "tokens", "reason"),
    [
        (b"/me", (), "missing"),
        (b"/me", (FORGED,), "bad_signature"),
        (b"/me", (b"x",), "malformed"),
        (b"/me", (b"x" * 9000,), "too_large"),
        (b"/me", (GOOD, GOOD), "duplicate"),
        (b"/admin/x", (GOOD,), "forbidden"),
        (b"/internal/x", (GOOD,), "forbidden"),
        (b"//admin/x", (ADMIN,), "forbidden"),
        (b"/feed", (FORGED,), "bad_signature"),
    ],
)
def test_observe_lets_everything_pass_and_says_what_enforce_would_have_said(
    path: bytes, tokens: tuple[bytes, ...], reason: str
) -> None:
    given = permit(path, *tokens, mode="observe")
    assert given.refusal is not None
    assert given.refusal.reason == reason
    with pytest.raises((TokenError, AmbiguousPath)):
        permit(path, *tokens)


def test_observe_keeps_a_good_token_whose_claims_a_rule_refuses() -> None:
    given = permit(b"/admin/x", GOOD, mode="observe")
    assert given.token is not None
    assert given.refusal is not None
    assert given.refusal.key_id == "k"


def test_observe_without_keys_says_so() -> None:
    given = permit(b"/me", GOOD, mode="observe", ring=Keyring.EMPTY)
    assert isinstance(given.refusal, KeysUnavailable)


def test_off_looks_at_nothing() -> None:
    for path in (b"/me", b"/internal/x", b"//admin/x", b"nonsense"):
        given = permit(path, b"x", b"y", mode="off")
        assert given.token is None
        assert given.refusal is None
        assert given.rule.access is Access.PUBLIC


def test_the_status_for_the_application_is_told_only_in_observe_mode() -> None:
    refused = Permit(permit(b"/healthz").rule, None, TokenMalformed())
    good = Permit(refused.rule)
    observing = Authorizer(AuthSettings(mode="observe"))
    assert observing.status(refused) == "malformed"
    assert observing.status(good) == "ok"
    assert Authorizer(AuthSettings()).status(good) is None
    assert Authorizer(AuthSettings(mode="off")).status(good) is None
