"""Whenever the verdict says that a key may go, removing it refuses no token that was still good.

The worlds are random and seeded; ``python -m tests.rotation.simulator --worlds 20000`` plays more.
"""

from collections.abc import Iterator

import pytest

from sidecar.rotation import bases, gates, signers, verdict
from sidecar.rotation.bases import Ground
from sidecar.rotation.case import Case
from sidecar.rotation.policy import Policy
from sidecar.rotation.replica import Replica
from sidecar.rotation.signers import Hole
from tests.rotation.simulator import simulate

WORLDS_PER_TEST = 125


@pytest.mark.parametrize("first", range(0, 1_000, WORLDS_PER_TEST))
def test_no_yes_is_wrong_in_any_world(first: int) -> None:
    faults, tally = simulate(range(first, first + WORLDS_PER_TEST))
    assert not faults, "\n".join(faults[:5])
    # Worlds in which nothing is ever said would show nothing.
    assert min(tally[basis] for basis in ("enforced", "observed", "declared")) > 5


# --- the oracle sees mistakes: each of these rules is needed ---------------------------------


def has_faults(worlds: int = 400) -> bool:
    return any(simulate([seed])[0] for seed in range(worlds))


def test_without_the_holes_in_the_watching_a_yes_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_holes(*_: object) -> Iterator[Hole]:
        return iter(())

    monkeypatch.setattr(signers, "_holes", no_holes)
    assert has_faults()


def test_without_waiting_until_signers_are_done_a_yes_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signers, "_pending", lambda *_: iter(()))
    assert has_faults()


def test_without_the_leeways_a_yes_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_leeway(policy: Policy, since: float) -> float:
        return since + policy.max_lifetime_s

    monkeypatch.setattr(Policy, "last_death_after", without_leeway)
    assert has_faults()


def test_a_replica_that_does_not_enforce_the_switch_makes_a_yes_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def first_closing(replica: Replica, key_id: str, leeway_s: float) -> bool:
        return replica.closing(key_id) is not None

    monkeypatch.setattr(signers, "is_closed", first_closing)
    monkeypatch.setattr(gates, "is_closed", first_closing)
    assert has_faults()


def test_a_statement_that_was_contradicted_makes_a_yes_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Case, "contradicts", lambda *_: False)
    assert has_faults()


def test_whoever_did_not_answer_may_make_a_yes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(case: Case) -> tuple[Ground, ...]:
        found = (bases._enforced(case), bases._observed(case), bases._declared(case))
        return tuple(ground for ground in found if ground is not None)

    monkeypatch.setattr(verdict, "find_grounds", hasty)
    assert has_faults()
