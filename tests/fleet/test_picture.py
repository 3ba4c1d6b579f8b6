"""What a picture of a fleet counts."""

import pytest

from sidecar.fleet.picture import REFUSALS, count_refusals
from sidecar.fleet.source import Current, Sample
from tests.fleet.deployed import NOW

EXPIRED = {"reason": "expired", "generation": "new", "enforced": "true"}


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_refusals_are_added_up_and_what_is_no_number_is_left_out(strange: float) -> None:
    samples = [Sample(REFUSALS, EXPIRED, value) for value in (2.0, strange, 3.0)]
    assert count_refusals(Current(NOW, tuple(samples), ())) == {("expired", "new", True): 5}
