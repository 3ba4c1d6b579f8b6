"""When may a key go? Only on a basis, never before the last token is dead on every clock."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rotation.evidence import NOTHING_SEEN, Evidence
from sidecar.rotation.policy import Policy
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Basis, State, Verdict, judge

HOUR = 3_600
S = 1_795_428_000  # 2026-11-23T10:00:00Z
M = 48 * HOUR
LEEWAY = 30
DEATH = S + M + 3 * LEEWAY

DECLARE = Policy(is_switch_enforced=False, max_lifetime_s=M, leeway_s=LEEWAY)
ENFORCE = Policy(is_switch_enforced=True, max_lifetime_s=M, leeway_s=LEEWAY)

USED = Evidence(
    accepted_total=12_345,
    last_used_at=S - 10,
    newest_issued_at=S - 100,
    latest_expiry_at=S + M - 100,
    live_tokens=7,
)
QUIET = replace(USED, live_tokens=0)


def verdict(
    key_id: str,
    *,
    old: Evidence = NOTHING_SEEN,
    new: Evidence = NOTHING_SEEN,
    policy: Policy = DECLARE,
    stated: Mapping[str, float] | None = None,
    now: float = S + HOUR,
) -> Verdict:
    succession = Succession(("old", "young"), "young", stated or {})
    evidence = {"old": old, "young": new}
    return judge(succession, evidence, policy, observing_since=now - 49 * HOUR, now=now)[key_id]


# --- the newest key --------------------------------------------------------------------------


def test_the_newest_key_is_staged_until_it_is_used() -> None:
    assert verdict("young", old=USED).state is State.STAGED
    assert verdict("young", old=USED, new=USED).state is State.CURRENT


def test_the_newest_key_is_current_once_the_switch_is_stated() -> None:
    assert verdict("young", stated={"young": S}, now=S).state is State.CURRENT


def test_a_planned_switch_leaves_the_newest_key_staged() -> None:
    planned = verdict("young", stated={"young": S}, now=S - 1)
    assert planned.state is State.STAGED
    assert "planned for 2026-11-23T10:00:00Z" in planned.why


def test_the_only_key_is_current() -> None:
    only = judge(Succession(("one",), "one", {}), {}, DECLARE, observing_since=0, now=S)
    assert only["one"].state is State.CURRENT


def test_an_empty_keyring_has_no_verdicts() -> None:
    assert judge(Succession((), None, {}), {}, DECLARE, observing_since=0, now=S) == {}


# --- an old key, enforced --------------------------------------------------------------------


def test_under_an_enforced_switch_the_key_goes_once_the_last_token_is_dead() -> None:
    before = verdict("old", old=USED, policy=ENFORCE, stated={"young": S}, now=DEATH - 1)
    after = verdict("old", old=USED, policy=ENFORCE, stated={"young": S}, now=DEATH)
    assert (before.state, before.basis, before.retirable_at) == (
        State.IN_USE,
        Basis.ENFORCED,
        DEATH,
    )
    assert (after.state, after.basis) == (State.RETIRABLE, Basis.ENFORCED)
    assert "as far as this replica can tell" in after.why


def test_an_enforced_switch_holds_whatever_a_late_signer_does() -> None:
    late = replace(QUIET, newest_issued_at=S + HOUR, refused_total=3, refused_after_switch=3)
    done = verdict("old", old=late, policy=ENFORCE, stated={"young": S}, now=DEATH)
    assert (done.state, done.basis) == (State.RETIRABLE, Basis.ENFORCED)
    assert "3 of them issued after a switch" in done.why


def test_a_planned_enforced_switch_already_has_a_date() -> None:
    planned = verdict("old", old=USED, policy=ENFORCE, stated={"young": S}, now=S - HOUR)
    assert (planned.state, planned.retirable_at) == (State.IN_USE, DEATH)
    assert "planned for" in planned.why


# --- an old key, declared --------------------------------------------------------------------


def test_a_declared_switch_gives_the_same_date_on_a_weaker_basis() -> None:
    before = verdict("old", old=USED, stated={"young": S}, now=DEATH - 1)
    after = verdict("old", old=USED, stated={"young": S}, now=DEATH)
    assert (before.state, before.basis, before.retirable_at) == (
        State.IN_USE,
        Basis.DECLARED,
        DEATH,
    )
    assert (after.state, after.basis) == (State.RETIRABLE, Basis.DECLARED)


def test_a_token_issued_within_the_leeway_does_not_contradict_the_statement() -> None:
    edge = replace(QUIET, newest_issued_at=S + LEEWAY)
    assert verdict("old", old=edge, stated={"young": S}, now=DEATH).state is State.RETIRABLE


def test_a_token_issued_after_the_switch_contradicts_the_statement() -> None:
    late = replace(QUIET, newest_issued_at=S + LEEWAY + 1)
    refuted = verdict("old", old=late, stated={"young": S}, now=DEATH + 1_000 * HOUR)
    assert (refuted.state, refuted.basis, refuted.retirable_at) == (
        State.IN_USE,
        Basis.NONE,
        None,
    )
    assert "issued at 2026-11-23T10:00:31Z was accepted here" in refuted.why


def test_a_token_refused_because_of_the_switch_contradicts_the_statement_too() -> None:
    late = replace(QUIET, refused_total=1, refused_after_switch=1)
    refuted = verdict("old", old=late, stated={"young": S}, now=DEATH)
    assert (refuted.state, refuted.basis) == (State.IN_USE, Basis.NONE)
    assert "1 token of this key issued after it was refused here" in refuted.why


def test_a_contradiction_is_named_even_where_no_lifetime_is_bounded() -> None:
    late = replace(QUIET, newest_issued_at=S + HOUR)
    unbounded = replace(DECLARE, max_lifetime_s=0)
    refuted = verdict("old", old=late, stated={"young": S}, policy=unbounded, now=DEATH)
    assert refuted.state is State.IN_USE
    assert "signer lagged behind" in refuted.why


def test_a_later_statement_that_nothing_contradicts_stands_in_for_a_refuted_one() -> None:
    succession = Succession(("a", "b", "c"), "c", {"b": S, "c": S + 10 * HOUR})
    late = replace(QUIET, newest_issued_at=S + 5 * HOUR)
    judged = judge(succession, {"a": late}, DECLARE, observing_since=0, now=DEATH)["a"]
    assert (judged.basis, judged.retirable_at) == (Basis.DECLARED, DEATH + 10 * HOUR)


# --- an old key, no basis --------------------------------------------------------------------


def test_without_a_basis_a_key_with_live_tokens_is_in_use() -> None:
    judged = verdict("old", old=USED)
    assert (judged.state, judged.basis, judged.retirable_at) == (
        State.IN_USE,
        Basis.NONE,
        None,
    )
    assert judged.why.startswith("7 tokens of this key seen here are still alive")


def test_without_a_basis_a_quiet_key_is_unproven_and_told_what_would_prove_it() -> None:
    judged = verdict("old", old=QUIET, new=USED, now=S + 1_000 * HOUR)
    assert (judged.state, judged.basis) == (State.UNPROVEN, Basis.NONE)
    assert judged.why == (
        "No token of this key issued later than 2026-11-23T09:58:20Z was seen here in 49 h "
        "(12,345 of young were), which does not prove that none is alive; "
        "to get a date, state since when all signers use young (auth.signing_since)."
    )


def test_a_key_that_never_signed_falls_under_the_same_rule() -> None:
    assert verdict("old").state is State.UNPROVEN
    assert verdict("old", stated={"young": S}, now=DEATH).state is State.RETIRABLE


def test_a_statement_without_a_bounded_lifetime_gives_no_date() -> None:
    unbounded = Policy(is_switch_enforced=True, max_lifetime_s=0, leeway_s=LEEWAY)
    judged = verdict(
        "old", old=QUIET, policy=unbounded, stated={"young": S}, now=S + 100_000 * HOUR
    )
    assert (judged.state, judged.basis) == (State.UNPROVEN, Basis.NONE)
    assert "max_lifetime" in judged.why


@pytest.mark.parametrize("is_enforced", [False, True])
def test_one_token_without_expiry_means_never_where_no_lifetime_is_enforced(
    is_enforced: bool,
) -> None:
    policy = Policy(is_switch_enforced=is_enforced, max_lifetime_s=0, leeway_s=LEEWAY)
    forever = replace(QUIET, has_unbounded=True)
    judged = verdict("old", old=forever, policy=policy, stated={"young": S}, now=DEATH * 2)
    assert (judged.state, judged.basis, judged.retirable_at) == (
        State.IN_USE,
        Basis.NONE,
        None,
    )


def test_a_token_without_expiry_is_refused_where_a_lifetime_is_enforced() -> None:
    forever = replace(QUIET, has_unbounded=True)
    judged = verdict("old", old=forever, policy=ENFORCE, stated={"young": S}, now=DEATH)
    assert (judged.state, judged.basis) == (State.RETIRABLE, Basis.ENFORCED)


# --- laws ------------------------------------------------------------------------------------

moments = st.integers(S - 100 * HOUR, S + 100 * HOUR)
maybe_moments = st.one_of(st.none(), moments)
counts = st.sampled_from([0, 0, 1, 1_000])
evidences = st.builds(
    Evidence, counts, maybe_moments, maybe_moments, maybe_moments, st.booleans(), counts, counts,
    maybe_moments, counts,
)  # fmt: skip
policies = st.builds(
    Policy, st.booleans(), st.sampled_from([0.0, 60.0, M]), st.sampled_from([0.0, 30.0])
)
rings = st.builds(
    Succession,
    st.just("abc"),
    st.sampled_from("abc"),
    st.dictionaries(st.sampled_from("abcz"), moments.map(float)),
)


@given(rings, st.dictionaries(st.sampled_from("abc"), evidences), policies, moments)
def test_retirable_needs_a_basis_a_bound_and_the_last_tokens_death(
    ring: Succession, evidence: dict[str, Evidence], policy: Policy, now: int
) -> None:
    verdicts = judge(ring, evidence, policy, observing_since=S, now=now)
    assert tuple(verdicts) == ring.key_ids
    for key_id, judged in verdicts.items():
        assert (judged.retirable_at is None) == (judged.basis is Basis.NONE)
        assert judged.why.endswith(".")
        assert "\n" not in judged.why
        if key_id == ring.newest:
            assert judged.state in (State.CURRENT, State.STAGED)
        if judged.state is not State.RETIRABLE:
            continue
        seen = evidence.get(key_id, NOTHING_SEEN)
        newer = ring.key_ids[ring.key_ids.index(key_id) + 1 :]
        stated = [s.since for other in newer if (s := ring.statement_of(other))]
        bound = policy.max_lifetime_s + 3 * policy.leeway_s
        assert policy.max_lifetime_s > 0
        assert any(now >= since + bound for since in stated)
        if judged.basis is Basis.DECLARED:
            issued_at = seen.newest_issued_at
            if seen.refused_after_switch:  # then a later statement has to carry it
                moments_stated = {statement.since for statement in ring.statements_ending(key_id)}
                assert now >= sorted(moments_stated)[1] + bound
            assert issued_at is None or issued_at <= max(stated) + policy.leeway_s
        else:
            assert judged.basis is Basis.ENFORCED
            assert policy.is_switch_enforced


@given(
    st.integers(0, 1_000_000),  # when the switch is held from
    st.integers(1, 10_000),  # the bounded lifetime
    st.integers(0, 60),  # the leeway
    st.data(),
)
def test_no_token_that_an_enforcing_replica_accepts_is_alive_once_its_key_is_retirable(
    since: int, lifetime: int, leeway: int, data: st.DataObject
) -> None:
    policy = Policy(is_switch_enforced=True, max_lifetime_s=lifetime, leeway_s=leeway)
    ring = Succession(("old", "young"), "young", {"young": since})
    issued_at = data.draw(st.integers(since - lifetime, since + leeway))  # later ones are refused
    expires_at = data.draw(st.integers(issued_at, issued_at + lifetime))
    clock_behind = data.draw(st.integers(0, leeway))  # another replica's, against the judge's
    last_moment = expires_at + leeway - 1 + clock_behind  # of the judge, at which it is accepted
    judged = judge(ring, {}, policy, observing_since=0, now=last_moment)["old"]
    assert judged.state is not State.RETIRABLE
