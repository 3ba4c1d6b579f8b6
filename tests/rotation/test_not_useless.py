"""The verdict says yes as soon as it can be known, however long ``max_lifetime`` is.

In worlds that were watched wholly: two scrapes after the last old token is dead, where the switch
is enforced or every signer has issued with the newer key; two scrapes after S + M + 3 leeway, where
the switch is enforced, or stated truly.
"""

import pytest

from sidecar.rotation import signers
from tests.rotation.simulator import simulate

WORLDS_PER_TEST = 125


@pytest.mark.parametrize("first", range(0, 1_000, WORLDS_PER_TEST))
def test_a_yes_comes_in_time_in_a_world_that_was_watched_wholly(first: int) -> None:
    faults, tally = simulate(range(first, first + WORLDS_PER_TEST), is_whole=True)
    assert not faults, "\n".join(faults[:5])
    assert tally["observed"] > WORLDS_PER_TEST / 2


@pytest.mark.parametrize("rule", ["is_done", "is_closed"])
def test_the_simulator_sees_a_yes_that_comes_too_late(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signers, rule, lambda *_: False)
    assert any(simulate([seed], is_whole=True)[0] for seed in range(300))
