from sidecar.demo.picture import Counts, draw
from sidecar.rotation.steps import take_stock
from tests.rotation.fleets import NOW, S, fleet, ring, seen, signer, switched, verifier

COUNTS = Counts(asked=1234, failed=0, elapsed_s=75.0)


def texts(*, failed: int = 0) -> list[str]:
    stated = ring("old", "young", stated={"young": S})
    here = fleet(
        switched(ring=stated),
        verifier(presented={"old": seen(S - 60, NOW, live=3), "young": seen(NOW, NOW, live=12)}),
    )
    steps = take_stock(here, "young", frontends=("thoughts",))
    lines = draw(here, steps, Counts(COUNTS.asked, failed, COUNTS.elapsed_s))
    return ["".join(text for text, _ in line) for line in lines]


def test_it_shows_the_steps_the_keys_and_the_pods() -> None:
    lines = texts()

    assert lines[1] == " 01:15  1,234 requests, 0 failed"
    assert lines[2] == " ✓ done    1 Every service can hold several keys"
    assert lines[7] == " · not yet 6 The old key is gone from everyone"
    old, young = lines[8:10]
    assert old.startswith(" old   3 alive, in use, may go in ")
    assert old.endswith(f" {'█' * 6}")
    assert young.startswith(" young  12 alive, current ")
    assert young.endswith(f" {'█' * 24}")
    assert lines[10] == " t-0        holds old young"
    assert lines[11].endswith("holds old young, handed out 2 of old and 2 of young")


def test_a_failed_request_is_loud() -> None:
    here = fleet(signer())
    lines = draw(here, take_stock(here, "young"), Counts(5, 1, 1.0))

    assert ("1 failed", {"fg": "red", "bold": True}) in lines[1]


def test_a_fleet_that_nobody_has_heard_of_yet_can_be_drawn() -> None:
    empty = fleet()

    assert draw(empty, take_stock(empty, "young"), COUNTS)
