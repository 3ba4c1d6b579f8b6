"""The ledger remembers of each key what verdicts and metrics need, and nothing of a token."""

from dataclasses import dataclass
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from sidecar.rotation.evidence import NOTHING_SEEN
from sidecar.rotation.ledger import AFTER_SWITCH, Ledger
from sidecar.rotation.moment import LAST_MOMENT

NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    number: int
    issued_at: int | None
    expires_at: int | None

    @property
    def digest(self) -> bytes:
        return sha256(f"{self.key_id} {self.number}".encode()).digest()[:16]


def ledger(live_bound: int = 50_000) -> Ledger:
    return Ledger(observing_since=NOW, leeway_s=30, live_bound=live_bound)


def token(
    number: int = 1, key_id: str = "a", issued_at: int | None = 0, expires_at: int | None = 600
) -> Token:
    def later(offset: int | None) -> int | None:
        return None if offset is None else int(NOW) + offset

    return Token(key_id, number, later(issued_at), later(expires_at))


moments = st.one_of(st.none(), st.integers(0, 10_000))
tokens = st.builds(token, st.integers(0, 30), st.sampled_from("abc"), moments, moments)


@given(st.lists(st.tuples(tokens, st.integers(0, 100)), max_size=60))
def test_a_keys_page_holds_the_extremes_of_all_that_was_accepted(
    sequence: list[tuple[Token, int]],
) -> None:
    book, now = ledger(), NOW
    first: dict[bytes, Token] = {}  # a digest is one token, so it has one iat and one exp
    seen: list[tuple[Token, float]] = []
    for generated, passes in sequence:
        now += passes
        accepted = first.setdefault(generated.digest, generated)
        book.accepted(accepted, now)
        seen.append((accepted, now))
    for key_id in "abc":
        mine = [(accepted, at) for accepted, at in seen if accepted.key_id == key_id]
        issued = [t.issued_at for t, _ in mine if t.issued_at is not None]
        expiries = [t.expires_at for t, _ in mine if t.expires_at is not None]
        evidence = book.evidence([key_id], now)[key_id]
        assert evidence.accepted_total == len(mine)
        assert evidence.last_used_at == max((at for _, at in mine), default=None)
        assert evidence.newest_issued_at == max(issued, default=None)
        assert evidence.latest_expiry_at == max(expiries, default=None)
        assert evidence.has_unbounded == any(t.expires_at is None for t, _ in mine)
        alive = {t.digest for t, _ in mine if t.expires_at is None or t.expires_at + 30 > now}
        assert evidence.live_tokens == len(alive)


def test_one_token_shown_often_is_one_live_token() -> None:
    book = ledger()
    for second in range(100):
        book.accepted(token(), NOW + second)
    page = book.usage("a")
    assert (page.accepted_total, page.live_tokens(NOW), page.last_used_at) == (100, 1, NOW + 99)


def test_a_clock_that_was_set_back_does_not_hide_a_later_use() -> None:
    book = ledger()
    book.accepted(token(), NOW + 100)
    book.accepted(token(), NOW)
    assert book.usage("a").last_used_at == NOW + 100


def test_rejections_are_counted_by_reason_generation_and_enforcement() -> None:
    book = ledger()
    book.rejected("expired", "old", "a", True, NOW)
    book.rejected("expired", "old", "a", True, NOW + 1)
    book.rejected("expired", "old", "a", False, NOW + 2)
    book.rejected("missing", "none", None, True, NOW + 3)
    assert book.rejections == {
        ("expired", "old", True): 2,
        ("expired", "old", False): 1,
        ("missing", "none", True): 1,
    }
    assert book.key_ids == ("a",)
    seen = book.evidence(["a"], NOW)["a"]
    assert (seen.refused_total, seen.last_refused_at, seen.accepted_total) == (3, NOW + 2, 0)


def test_a_refused_token_tells_when_its_key_signed_and_nothing_else() -> None:
    book = ledger()
    book.rejected("expired", "old", "a", True, NOW, issued_at=int(NOW) - 7)
    book.rejected("expired", "old", "a", True, NOW, issued_at=None)
    seen = book.evidence(["a"], NOW)["a"]
    assert (seen.newest_issued_at, seen.latest_expiry_at) == (NOW - 7, None)


def test_the_longest_lifetime_that_was_seen_is_remembered() -> None:
    book = ledger()
    for number, lifetime in enumerate((60, 600, 6)):
        book.accepted(token(number, issued_at=0, expires_at=lifetime), NOW)
    assert book.evidence(["a"], NOW)["a"].longest_lifetime_s == 600


def test_tokens_refused_because_of_the_switch_are_evidence_of_their_own() -> None:
    book = ledger()
    book.rejected(AFTER_SWITCH, "old", "a", True, NOW)
    book.rejected("expired", "old", "a", True, NOW)
    assert book.evidence(["a"], NOW)["a"].refused_after_switch == 1


def test_a_key_that_was_never_seen_leaves_no_page_behind_when_it_is_asked_for() -> None:
    book = ledger()
    assert book.evidence(["a"], NOW) == {"a": NOTHING_SEEN}
    assert book.key_ids == ()


def test_a_date_that_no_clock_shows_is_clamped() -> None:
    book = ledger()
    book.accepted(Token("a", 1, -(10**400), 10**400), NOW)
    page = book.usage("a")
    assert (page.newest_issued_at, page.latest_expiry_at) == (0, LAST_MOMENT)


def test_an_estimate_never_says_zero_while_a_token_is_certainly_alive() -> None:
    book = ledger(live_bound=2)
    for number in range(300):
        book.accepted(token(number, expires_at=100 + number * 60), NOW)
        assert book.usage("a").live_tokens(NOW) > 0
    last_expiry = book.usage("a").latest_expiry_at
    assert last_expiry is not None
    assert book.usage("a").live_tokens(last_expiry) > 0
    assert book.usage("a").live_tokens(last_expiry + 30) == 0
