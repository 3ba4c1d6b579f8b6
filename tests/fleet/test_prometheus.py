"""What a real Prometheus says of a fleet now: who answers, and who does not."""

import asyncio

import pytest

from sidecar.errors import FleetError
from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.source import Current
from tests.fleet.conftest import Remember
from tests.fleet.store import HOUR, Past, Pod

pytestmark = [pytest.mark.needs_tool("prometheus", "promtool"), pytest.mark.timeout(120)]


def current(past: Past, *, match: str = "") -> Current:
    async def question() -> Current:
        source = Prometheus(past.server.url, match=match)
        try:
            return await source.current(())
        finally:
            await source.close()

    return asyncio.run(question())


def silent(past: Past, *, match: str = "") -> list[tuple[str, str]]:
    return [(each.job, each.last_service) for each in current(past, match=match).silent]


def in_job(job: str, until: float, service: str = "thoughts-backend") -> Pod:
    """A target that answered until then, and is known still."""
    since = max(6 * HOUR, until)
    return Pod("1", since, until, service=service, listed_until=0, labels={"job": job})


def test_a_replica_that_fell_silent_is_known_by_the_service_that_it_was(remember: Remember) -> None:
    past = remember(Pod("0", 6 * HOUR), in_job("sidecars", HOUR / 2))
    assert silent(past) == [("sidecars", "thoughts-backend")]


ADDRESS = "10.0.0.9:15020"
MINUTE = 60.0


def test_a_silent_replica_is_not_taken_for_who_had_its_address_before(remember: Remember) -> None:
    """Kubernetes gives the addresses of pods that have ended to others."""
    before = Pod("1", 50 * MINUTE, 40 * MINUTE, service="users-backend", instance=ADDRESS)
    after = Pod("2", 30 * MINUTE, 10 * MINUTE, service="billing", instance=ADDRESS, listed_until=0)
    assert silent(remember(Pod("0", HOUR), before, after)) == [("sidecars", "billing")]


def test_a_silent_replica_that_was_two_services_may_be_either(remember: Remember) -> None:
    """Where nothing but the address tells them apart."""
    same = {"pod": ""}
    before = Pod("1", 50 * MINUTE, 40 * MINUTE, service="billing", instance=ADDRESS, labels=same)
    after = Pod(
        "2",
        30 * MINUTE,
        10 * MINUTE,
        service="users-backend",
        instance=ADDRESS,
        labels=same,
        listed_until=0,
    )
    assert silent(remember(Pod("0", HOUR), before, after)) == [("sidecars", "")]


def test_a_silent_replica_is_not_hidden_by_one_of_another_cluster_with_its_address(
    remember: Remember,
) -> None:
    here = Pod("1", HOUR, instance=ADDRESS, labels={"pod": "users-0", "cluster": "a"})
    there = Pod(
        "2",
        HOUR,
        10 * MINUTE,
        service="billing",
        instance=ADDRESS,
        labels={"pod": "users-0", "cluster": "b"},
        listed_until=0,
    )
    assert silent(remember(here, there)) == [("sidecars", "billing")]


def test_a_job_of_which_every_sidecar_is_silent_for_hours_still_counts(
    remember: Remember,
) -> None:
    """The chart makes a job of each service."""
    past = remember(Pod("0", 6 * HOUR), in_job("shop/thoughts", 3 * HOUR))
    assert silent(past) == [("shop/thoughts", "")]


def test_a_job_that_never_had_a_sidecar_counts_only_where_it_is_chosen(remember: Remember) -> None:
    past = remember(Pod("0", 6 * HOUR), in_job("node", 7 * HOUR))
    assert silent(past) == []
    assert silent(past, match='job=~".+"') == [("node", "")]


def test_a_store_that_does_not_know_who_was_scraped_cannot_tell_who_is_silent(
    remember: Remember,
) -> None:
    """Metrics may be chosen by name on their way to a store."""
    past = remember(Pod("0", 6 * HOUR, lost=("up",)), Pod("1", 6 * HOUR, lost=("up",)))
    with pytest.raises(FleetError, match="has no `up` of the sidecars"):
        current(past)
