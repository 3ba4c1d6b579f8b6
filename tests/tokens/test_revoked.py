"""What is taken out by name is out at once, whatever else speaks for it."""

import pytest

from sidecar.errors import BadSignature, KeysUnavailable, TokenRevoked, UnknownKey
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.verify import Verifier
from tests.tokens.minting import CLAIMS, NOW, key, mint

OLD, NEW = key("2026-08"), key("2026-11", number=1)
SAID = {"2026-11": "auth.revoked"}
BOTH = Keyring([OLD, NEW])
REVOKED = Keyring([OLD, NEW], revoked=SAID)


def verifier() -> Verifier:
    return Verifier(AuthSettings())


def refusal(token: bytes, ring: Keyring, at: Verifier | None = None) -> TokenRevoked:
    with pytest.raises(TokenRevoked) as caught:
        (at or verifier()).verify(token, ring, NOW)
    return caught.value


@pytest.mark.parametrize("token", [mint(number=1), mint(number=1, kid="2026-11")])
def test_a_token_of_a_revoked_key_is_refused_by_that_name(token: bytes) -> None:
    error = refusal(token, REVOKED)
    assert error.reason == "revoked"
    assert (error.key_id, error.generation) == ("2026-11", "old")


def test_a_revoked_key_is_in_no_place_where_a_key_is_trusted() -> None:
    assert list(REVOKED.by_id) == ["2026-08"]
    assert REVOKED.newest == "2026-08"
    assert REVOKED.order == ("2026-08",)
    assert REVOKED.candidates(None, "RS256") == (OLD,)
    assert REVOKED.candidates("2026-11", "RS256") == ()
    assert REVOKED.digest == Keyring([OLD]).digest
    assert REVOKED.revoked_keys == (NEW,)


def test_a_remembered_token_dies_with_its_key() -> None:
    at, token = verifier(), mint(number=1)
    assert at.verify(token, BOTH, NOW).key_id == "2026-11"
    refusal(token, REVOKED, at)
    assert at.verify(token, BOTH, NOW).key_id == "2026-11"


def test_the_other_keys_go_on() -> None:
    assert verifier().verify(mint(), REVOKED, NOW).key_id == "2026-08"


def test_who_only_names_a_revoked_key_learns_nothing_more_than_before() -> None:
    with pytest.raises(BadSignature):
        verifier().verify(mint(number=2, kid="2026-11"), REVOKED, NOW)
    with pytest.raises(BadSignature):
        verifier().verify(mint(number=2), REVOKED, NOW)


def test_a_revoked_key_that_no_source_has_is_revoked_all_the_same() -> None:
    ring = Keyring([OLD], revoked=SAID)
    error = refusal(mint(number=1, kid="2026-11"), ring)
    assert (error.key_id, error.generation) == (None, "none")
    with pytest.raises(UnknownKey):
        verifier().verify(mint(number=1, kid="2026-12"), ring, NOW)


def test_the_same_key_under_another_id_is_revoked_too() -> None:
    twin = key("spare", number=1)
    ring = Keyring([OLD, NEW, twin], revoked=SAID)
    assert list(ring.by_id) == ["2026-08"]
    assert dict(ring.revoked) == {"2026-11": "auth.revoked", "spare": "the same key as 2026-11"}
    refusal(mint(number=1, kid="spare"), ring)
    refusal(mint(number=1), ring)


def test_a_statement_of_a_revoked_key_closes_no_other() -> None:
    since = {"2026-11": NOW - 1000}
    assert Keyring([OLD, NEW], signing_since=since).closed_since == {"2026-08": NOW - 1000}
    assert Keyring([OLD, NEW], signing_since=since, revoked=SAID).closed_since == {}


def test_a_ring_whose_keys_are_all_revoked_refuses_instead_of_waiting_for_keys() -> None:
    ring = Keyring([NEW], revoked=SAID)
    refusal(mint(number=1), ring)
    with pytest.raises(UnknownKey):
        verifier().verify(mint(kid="2026-08"), ring, NOW)
    with pytest.raises(KeysUnavailable):
        verifier().verify(mint(), Keyring.EMPTY, NOW)


def test_one_token_is_revoked_by_its_jti_also_when_it_is_remembered() -> None:
    at, token = verifier(), mint({**CLAIMS, "jti": "t-1"})
    other = mint({**CLAIMS, "jti": "t-2"})
    ring = Keyring([OLD], revoked_tokens=frozenset({"t-1"}))
    assert at.verify(token, BOTH, NOW).token_id == "t-1"
    error = refusal(token, ring, at)
    assert (error.key_id, error.generation) == ("2026-08", "new")
    assert at.verify(other, ring, NOW).token_id == "t-2"
    assert at.verify(token, BOTH, NOW).token_id == "t-1"


@pytest.mark.parametrize(
    ("jti", "listed", "is_revoked"),
    [
        (7, "7", True),
        (True, "True", False),
        (["t"], "t", False),
        (None, "None", False),
        ({"a": 1}, "a", False),
        ("T", "t", False),
        (1.0, "1.0", False),
    ],
)
def test_a_jti_is_text_or_a_whole_number(jti: object, listed: str, is_revoked: bool) -> None:
    ring, token = Keyring([OLD], revoked_tokens=frozenset({listed})), mint({**CLAIMS, "jti": jti})
    if is_revoked:
        refusal(token, ring)
    else:
        assert verifier().verify(token, ring, NOW).key_id == OLD.id


def test_only_a_token_whose_signature_holds_is_told_that_it_is_revoked() -> None:
    ring = Keyring([OLD], revoked_tokens=frozenset({"t-1"}))
    with pytest.raises(BadSignature):
        verifier().verify(mint({**CLAIMS, "jti": "t-1"}, number=2), ring, NOW)


def test_a_ring_that_never_had_a_key_waits_for_keys_whatever_is_revoked() -> None:
    with pytest.raises(KeysUnavailable):
        verifier().verify(mint(), Keyring(revoked=SAID), NOW)
