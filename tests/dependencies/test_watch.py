"""A dependency over time: what is remembered, logged once, and held back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sidecar.admin.dependencies import build_dependencies_report
from sidecar.admin.readiness import Readiness
from sidecar.dependencies.finding import Finding, State, judge
from sidecar.dependencies.probe import Probe
from sidecar.dependencies.settings import DependencySettings
from sidecar.dependencies.watch import FAILURES_THAT_COUNT, Watch, until_tick
from sidecar.net.fetch import fetch
from sidecar.versions.answer import Answer
from sidecar.versions.requirement import parse_requirement
from sidecar.versions.stamp import ServiceVersion
from tests.dependencies.service import Service, running, saying, silence

WAITING = Finding(State.WAITING, "is not ready itself")
FAILED = Finding(State.FAILED, "cannot be reached: Connection refused")


def found(version: str) -> Finding:
    return judge(Answer(ServiceVersion(version, "unknown")), parse_requirement(">=v2.3"))


class World:
    """A watch over a dependency that answers what the test says."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.readiness = Readiness()
        entry = DependencySettings("http://users/version?key=1", min="v2.3", **settings)
        self.watch = Watch(Probe("users", entry, fetch), self.readiness, lambda: self.now)

    def see(self, *findings: Finding) -> bool:
        """Take the findings, a second apart; whether the service is ready after them."""
        for finding in findings:
            self.now += 1
            self.watch.take(finding)
        return self.readiness.is_ready

    def report(self) -> dict[str, Any]:
        report = build_dependencies_report([self.watch], self.now)
        entry: dict[str, Any] = report["dependencies"][0]
        assert report == {"satisfied": entry["satisfied"], "dependencies": [entry]}
        return entry


async def wait_until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(0.01)


# --- gates ---


def test_with_the_startup_gate_ready_is_who_was_satisfied_once() -> None:
    world = World(gate="startup")
    assert world.readiness.reasons() == {
        "dependencies.users": "users was not asked yet (>=v2.3 is needed)."
    }
    assert not world.see(FAILED)
    assert "Connection refused" in world.readiness.reasons()["dependencies.users"]
    assert not world.see(WAITING)
    assert "users is not ready itself" in world.readiness.reasons()["dependencies.users"]
    assert not world.see(found("v2.2"))
    assert "v2.2 is older than v2.3" in world.readiness.reasons()["dependencies.users"]
    assert not world.see(found("latest"))
    assert world.see(found("v2.3"))
    assert world.see(found("v2.2"), *[FAILED] * 10, found("latest"))


def test_with_the_always_gate_a_downgrade_makes_unready_at_once() -> None:
    world = World(gate="always")
    assert not world.readiness.is_ready
    assert world.see(found("v2.3"))
    assert not world.see(found("v2.2"))
    assert world.see(found("v2.4"))
    assert not world.see(found("latest"))


def test_with_the_always_gate_a_lost_packet_makes_nobody_unready() -> None:
    world = World(gate="always")
    assert world.see(found("v2.3"), *[FAILED] * (FAILURES_THAT_COUNT - 1), found("v2.3"))
    assert world.see(*[WAITING] * (FAILURES_THAT_COUNT - 1))
    assert not world.see(FAILED)
    assert world.see(found("v2.3"))


def test_with_the_never_gate_a_service_is_ready_anyway() -> None:
    world = World(gate="never")
    assert world.readiness.is_ready
    assert world.see(FAILED, found("v2.2"), found("latest"))


# --- what is remembered and said ---


def test_the_report_says_state_age_and_last_error() -> None:
    world = World()
    assert world.report()["state"] == "pending"
    assert world.report()["age_s"] is None
    world.see(FAILED, found("v2.3"))
    world.now += 10
    assert world.report() == {
        "name": "users",
        "service": None,
        "url": "http://users/version",
        "requires": ">=v2.3",
        "gate": "startup",
        "state": "satisfied",
        "satisfied": True,
        "why": "v2.3 meets >=v2.3",
        "version": "v2.3",
        "commit": "unknown",
        "age_s": 10.0,
        "asked_at": "1970-01-01T00:16:42Z",
        "answered_at": "1970-01-01T00:16:42Z",
        "changed_at": "1970-01-01T00:16:42Z",
        "last_error": "cannot be reached: Connection refused",
        "last_error_at": "1970-01-01T00:16:41Z",
    }


def test_a_dependency_that_falls_silent_keeps_its_last_version_and_is_not_known_to_be_good() -> (
    None
):
    world = World()
    world.see(found("v2.3"), FAILED)
    entry = world.report()
    assert (entry["state"], entry["satisfied"], entry["version"]) == ("failed", None, "v2.3")
    assert entry["age_s"] == 1.0
    assert not world.watch.status.is_up


def test_of_several_dependencies_one_that_will_not_do_decides() -> None:
    good, bad, unknown = World(), World(), World()
    good.see(found("v2.3"))
    bad.see(found("v2.2"))
    unknown.see(FAILED)

    def satisfied(*worlds: World) -> object:
        return build_dependencies_report([each.watch for each in worlds], 0.0)["satisfied"]

    assert satisfied() is True
    assert satisfied(good) is True
    assert satisfied(good, unknown) is None
    assert satisfied(good, unknown, bad) is False


def test_every_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sidecar.dependencies")
    world = World()
    world.see(FAILED, FAILED, FAILED, found("v2.3"), found("v2.3"), found("v2.2"), found("v2.2"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "The dependency users does not say its version: cannot be reached: Connection refused.",
        ),
        ("INFO", "The dependency users is as it is needed: v2.3 meets >=v2.3."),
        ("WARNING", "The dependency users is not as it is needed: v2.2 is older than v2.3."),
    ]
    data = caplog.records[-1].__dict__["data"]
    assert (data["state"], data["was"], data["version"]) == ("unsatisfied", "satisfied", "v2.2")


# --- the loop ---


@pytest.fixture
async def run(request: pytest.FixtureRequest) -> Any:
    tasks: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()

    def start(*coroutines: Awaitable[None]) -> None:
        tasks.extend(loop.create_task(each) for each in coroutines)  # type: ignore[arg-type]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_it_is_asked_soon_again_until_it_will_do_and_then_at_its_interval() -> None:
    world = World(interval_s=30.0)
    pauses = []
    for finding in [FAILED] * 7 + [found("v2.3")] * 3 + [found("v2.2"), found("v2.3")]:
        world.see(finding)
        pauses.append(world.watch._pause_s())
    expected = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 1, 30]
    for pause_s, about_s in zip(pauses, expected, strict=True):
        assert 0.9 * about_s <= pause_s <= 1.1 * about_s
    assert len(set(pauses[5:10])) > 1, "there is no jitter"


def test_questions_to_many_dependencies_come_in_bursts() -> None:
    ends = {round(until_tick(now, 5.0) + now, 6) for now in (100.01, 100.2, 100.3, 100.49)}
    assert ends == {105.5}
    assert 1.0 <= until_tick(100.03, 1.0) <= 1.1


async def test_a_dependency_that_hangs_delays_no_other(
    service: Service, run: Callable[..., None]
) -> None:
    readiness = Readiness()
    async with running() as hanging:
        hanging.reply = silence
        settings = {"interval_s": 0.1, "min": "v2.3"}
        watches = [
            Watch(
                Probe(name, DependencySettings(url, **settings, timeout_s=60.0), fetch),  # type: ignore[arg-type]
                readiness,
                lambda: 0.0,
            )
            for name, url in [("stuck", hanging.url), ("users", service.url)]
        ]
        run(*(watch.run() for watch in watches))
        await wait_until(lambda: watches[1].status.counts["satisfied"] >= 3)
        assert watches[0].status.asked_at is None
        assert list(readiness.reasons()) == ["dependencies.stuck"]


async def test_a_dependency_that_comes_late_is_noticed(
    service: Service, run: Callable[..., None]
) -> None:
    readiness = Readiness()
    settings = DependencySettings(service.url, min="v2.4", interval_s=0.1)
    run(Watch(Probe("users", settings, fetch), readiness, lambda: 0.0).run())
    await wait_until(lambda: len(service.heads) >= 2)
    assert not readiness.is_ready
    service.reply = saying("v2.4")
    await wait_until(lambda: readiness.is_ready)
