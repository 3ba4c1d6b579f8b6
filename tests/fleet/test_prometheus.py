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
