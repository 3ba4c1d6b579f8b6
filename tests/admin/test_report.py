"""The keys report has the contract's form, and says only what is known."""

import json
from dataclasses import dataclass

from sidecar.admin.report import build_keys_report
from sidecar.errors import UNREADABLE_REASONS
from sidecar.keys.status import SourceStatus
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.ledger import Ledger
from sidecar.rotation.policy import Policy
from sidecar.rotation.subjects import Subjects
from sidecar.tokens.keyring import Key, Keyring

NOW = 1_795_428_000.0  # 2026-11-23T10:00:00Z
POLICY = Policy(is_switch_enforced=False, max_lifetime_s=3_600, leeway_s=30)
FIELDS = [
    *("id", "generation", "algorithm", "thumbprint", "source", "accepted_total", "issued_total"),
    *("live_tokens", "last_used_at", "last_issued_at", "latest_expiry_at", "signing_since"),
    *("stated_by", "state", "basis", "retirable_at", "why"),
]


@dataclass(frozen=True, slots=True)
class Token:
    key_id: str
    digest: bytes = b"0123456789abcdef"
    issued_at: int | None = int(NOW) - 60
    expires_at: int | None = int(NOW) + 60


def ring(*ids: str, **signing_since: float) -> Keyring:
    keys = [Key(key_id, ("RS256",), object(), f"print-{key_id}", f"/k/{key_id}") for key_id in ids]
    return Keyring(keys, signing_since=signing_since)


def ledger() -> Ledger:
    return Ledger(observing_since=NOW - 3_600, leeway_s=30)


def test_the_report_has_exactly_the_agreed_form() -> None:
    report = build_keys_report(ring("2026-05", "2026-11"), ledger(), POLICY, NOW)
    assert list(report) == [
        *("observing_since", "unwatched_until", "switch", "keys", "issuing", "revoked"),
        *("revoked_tokens", "sources"),
    ]
    assert all(list(key) == FIELDS for key in report["keys"])
    assert json.loads(json.dumps(report)) == report


def test_a_key_is_reported_with_what_was_seen_and_its_verdict() -> None:
    book = ledger()
    book.accepted(Token("2026-05"), NOW)
    keyring = ring("2026-05", "2026-11", **{"2026-11": NOW - 30})
    report = build_keys_report(keyring, book, POLICY, NOW)
    new, old = report["keys"]
    assert report["observing_since"] == "2026-11-23T09:00:00Z"
    assert (new["id"], new["generation"], new["state"]) == ("2026-11", "new", "current")
    assert new["signing_since"] == "2026-11-23T09:59:30Z"
    assert new["last_used_at"] is None
    assert old == old | {
        "generation": "old",
        "algorithm": "RS256",
        "thumbprint": "print-2026-05",
        "source": "/k/2026-05",
        "accepted_total": 1,
        "live_tokens": 1,
        "last_used_at": "2026-11-23T10:00:00Z",
        "last_issued_at": "2026-11-23T09:59:00Z",
        "latest_expiry_at": "2026-11-23T10:01:00Z",
        "signing_since": None,
        "state": "in_use",
        "basis": "declared",
        "retirable_at": "2026-11-23T11:01:00Z",
    }


def test_what_is_not_watched_is_null_and_not_zero() -> None:
    report = build_keys_report(ring("a"), ledger(), POLICY, NOW)
    assert report["unwatched_until"] is None
    assert report["keys"][0]["issued_total"] is None


def test_the_switch_is_reported_as_it_is_in_force() -> None:
    enforced = Policy(is_switch_enforced=True, max_lifetime_s=3_600, leeway_s=30)
    assert build_keys_report(ring("a"), ledger(), POLICY, NOW)["switch"] == "declare"
    assert build_keys_report(ring("a"), ledger(), enforced, NOW)["switch"] == "enforce"


def test_a_removed_key_is_not_reported() -> None:
    book = ledger()
    book.accepted(Token("gone"), NOW)
    assert [key["id"] for key in build_keys_report(ring("a"), book, POLICY, NOW)["keys"]] == ["a"]


def test_an_empty_keyring_is_an_empty_list() -> None:
    assert build_keys_report(Keyring.EMPTY, ledger(), POLICY, NOW)["keys"] == []


def test_revoked_keys_are_named_with_who_said_so() -> None:
    keys = [Key(key_id, ("RS256",), object(), f"print-{key_id}", f"/k/{key_id}") for key_id in "ab"]
    keyring = Keyring(
        keys, revoked={"b": "auth.revoked", "c": "/k/c.revoked"}, revoked_tokens=frozenset("xy")
    )
    report = build_keys_report(keyring, ledger(), POLICY, NOW)
    assert [key["id"] for key in report["keys"]] == ["a"]
    assert report["revoked"] == [
        {"id": "b", "said": "auth.revoked", "thumbprint": "print-b", "source": "/k/b"},
        {"id": "c", "said": "/k/c.revoked", "thumbprint": None, "source": None},
    ]
    assert report["revoked_tokens"] == 2
    assert json.loads(json.dumps(report)) == report


def test_each_source_of_keys_is_reported_with_the_age_of_what_it_gave() -> None:
    sources = [
        SourceStatus("/keys", ("a", "b"), True, NOW - 2, None),
        SourceStatus("https://issuer.example", (), False, None, "https://issuer.example is down"),
    ]
    report = build_keys_report(ring("a"), ledger(), POLICY, NOW, sources)
    assert report["sources"] == [
        {
            "name": "/keys",
            "up": True,
            "last_success_at": "2026-11-23T09:59:58Z",
            "age_s": 2.0,
            "last_error": None,
            "keys": ["a", "b"],
        },
        {
            "name": "https://issuer.example",
            "up": False,
            "last_success_at": None,
            "age_s": None,
            "last_error": "https://issuer.example is down",
            "keys": [],
        },
    ]


def test_what_is_handed_out_is_reported_where_it_is_watched() -> None:
    issuing = Issuing(scope="x", unwatched_until=NOW - 60)
    book = Ledger(observing_since=NOW - 3_600, leeway_s=30, issuing=issuing)
    issuing.issued(Token("a", issued_at=int(NOW) - 5, expires_at=int(NOW) + 100), NOW)
    book.accepted(Token("a"), NOW)
    issuing.issued_unknown(int(NOW), int(NOW) + 5, NOW)
    issuing.refused("a")
    issuing.unreadable_answer("no_json", NOW - 30)
    report = build_keys_report(ring("a", "b"), book, POLICY, NOW)
    assert report["unwatched_until"] == "2026-11-23T09:59:30Z"
    new, old = report["keys"]
    assert (new["issued_total"], old["issued_total"]) == (0, 1)
    assert old["last_issued_at"] == "2026-11-23T09:59:55Z"
    assert old["latest_expiry_at"] == "2026-11-23T10:01:40Z"
    assert report["issuing"] == {
        "ended_at": None,
        "refused": {"a": 1},
        "unknown_total": 1,
        "unknown_last_at": "2026-11-23T10:00:00Z",
        "unreadable": dict.fromkeys(UNREADABLE_REASONS, 0) | {"no_json": 1},
    }


def test_bearers_of_old_keys_are_shown_as_digests_unless_names_are_asked_for() -> None:
    book = Ledger(observing_since=NOW, leeway_s=30, subjects=Subjects("sub"))
    assert book.subjects is not None
    book.subjects.note("a", {"sub": "ann"}, NOW)
    for shows in (False, True):
        report = build_keys_report(ring("a", "b"), book, POLICY, NOW, shows_subjects=shows)
        new, old = report["keys"]
        ((subject, at),) = [tuple(each.values()) for each in old["subjects"]]
        assert at == "2026-11-23T10:00:00Z"
        assert (subject == "ann") is shows
        assert "subjects" not in new
