"""Requests by the caller's version: counted for known callers, within a closed set of labels."""

from sidecar.metrics.callers import IDLE_S, MAX_VERSIONS, Callers


def counts(callers: Callers) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["caller"], sample.labels["version"]): sample.value
        for family in callers.collect()
        for sample in family.samples
    }


def call(callers: Callers, name: bytes, version: bytes | None, now: float = 0.0) -> None:
    fields = {b"x-client-service": name, b"host": b"a"}
    if version is not None:
        fields[b"x-client-version"] = version
    callers.count(fields, now)


def test_known_callers_are_counted_by_their_version() -> None:
    callers = Callers(["frontend", "thoughts"])
    for version in (b"v1.2", b"v1.2", b"v1.3"):
        call(callers, b"frontend", version)
    call(callers, b"thoughts", None)
    assert counts(callers) == {
        ("frontend", "v1.2"): 2,
        ("frontend", "v1.3"): 1,
        ("thoughts", "unknown"): 1,
    }


def test_a_caller_that_nobody_knows_is_not_counted() -> None:
    callers = Callers(["frontend"])
    call(callers, b"stranger", b"v1")
    call(callers, b"Frontend", b"v1")
    callers.count({b"x-client-version": b"v1"}, 0.0)
    assert counts(callers) == {}


def test_what_is_no_version_is_no_label() -> None:
    callers = Callers(["frontend"])
    for version in (b"latest", b"2257f9c", b"\xff", b"<script>", b"v" * 5000, b"a b"):
        call(callers, b"frontend", version)
    assert counts(callers) == {("frontend", "other"): 6}


def test_a_client_that_invents_versions_does_not_make_the_labels_grow() -> None:
    callers = Callers(["frontend"])
    for number in range(10_000):
        call(callers, b"frontend", b"v%d" % number)
    assert len(counts(callers)) == MAX_VERSIONS + 1
    assert sum(counts(callers).values()) == 10_000


def test_a_version_that_is_long_gone_makes_room_for_a_new_one() -> None:
    callers = Callers(["frontend"])
    for number in range(MAX_VERSIONS):
        call(callers, b"frontend", b"v%d" % number, now=float(number))
    call(callers, b"frontend", b"v1.99", now=IDLE_S - 1)
    assert ("frontend", "v1.99") not in counts(callers)
    call(callers, b"frontend", b"v2.99", now=IDLE_S + 1.5)
    assert ("frontend", "v2.99") in counts(callers)
    assert ("frontend", "v0") not in counts(callers)


def test_without_known_callers_nothing_is_counted_and_nothing_shown() -> None:
    callers = Callers([])
    assert not callers.is_counting
    assert list(callers.collect()) == []
