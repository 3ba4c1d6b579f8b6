"""Ready is when nobody holds a latch."""

from sidecar.admin.readiness import Readiness


def test_without_latches_it_is_ready() -> None:
    assert Readiness().is_ready


def test_every_latch_must_be_released() -> None:
    readiness = Readiness(keyring="no key was loaded yet", listener="not listening yet")
    readiness.release("keyring")
    assert not readiness.is_ready
    assert readiness.reasons() == {"listener": "not listening yet"}
    readiness.release("listener")
    assert readiness.is_ready


def test_a_latch_can_be_held_again_with_another_reason() -> None:
    readiness = Readiness()
    readiness.hold("drain", "shutting down")
    readiness.hold("drain", "shutting down at once")
    assert readiness.reasons() == {"drain": "shutting down at once"}
    readiness.release("drain")
    assert readiness.is_ready


def test_releasing_what_nobody_holds_changes_nothing() -> None:
    readiness = Readiness(keyring="no key was loaded yet")
    readiness.release("listener")
    assert not readiness.is_ready


def test_its_repr_says_what_it_waits_for() -> None:
    assert repr(Readiness(keyring="x", listener="y")) == "<Readiness waits for keyring, listener>"
    assert repr(Readiness()) == "<Readiness ready>"


def test_it_is_told_once_and_only_once_that_it_is_ready() -> None:
    told: list[str] = []
    readiness = Readiness(keyring="no key was loaded yet")
    readiness.when_ready(lambda: told.append("ready"))
    assert told == []
    readiness.release("keyring")
    readiness.hold("keyring", "again")
    readiness.release("keyring")
    assert told == ["ready"]
