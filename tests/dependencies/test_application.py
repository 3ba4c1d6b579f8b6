"""The application's own word on its version."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from sidecar.dependencies.application import Application
from sidecar.errors import UpstreamError, UpstreamRefused
from sidecar.versions.stamp import ServiceVersion
from sidecar.versions.statement import Statement

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
STAMP = ServiceVersion("v2.3", COMMIT)
SAME = b'{"version": "v2.3"}'
OTHER = b'{"version": "v2.4"}'

Word = bytes | Exception


class World:
    """An application that gives one answer after the other."""

    def __init__(self, *words: Word) -> None:
        self._words: Iterator[Word] = iter(words)
        self.changes: list[Statement] = []
        self.application = Application(Statement(STAMP), self._ask, self.changes.append)

    async def _ask(self) -> bytes:
        word = next(self._words)
        if isinstance(word, Exception):
            raise word
        return word

    async def hear(self, count: int) -> list[bool]:
        return [await self.application.check() for _ in range(count)]


async def test_what_the_application_says_is_passed_on_when_it_changes() -> None:
    world = World(SAME, SAME, OTHER, OTHER, SAME)
    assert await world.hear(5) == [True] * 5
    assert [change.is_verified for change in world.changes] == [True, False, True]


async def test_an_application_that_falls_silent_has_not_changed_its_version() -> None:
    world = World(OTHER, UpstreamRefused(), b"<html>", ValueError("a fault"), OTHER)
    assert await world.hear(5) == [True, False, False, False, True]
    assert len(world.changes) == 1
    assert world.application.statement.is_verified is False


async def test_disagreement_and_trouble_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sidecar.dependencies")
    refused = UpstreamRefused("The application does not accept connections.")
    await World(refused, refused, OTHER, OTHER, b"[]", b"[]", SAME).hear(7)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            "The application does not say its version: "
            "The application does not accept connections.",
        ),
        ("WARNING", "The application says another version than its image is stamped with."),
        (
            "INFO",
            "The application does not say its version: "
            "it answered with a list, not with a JSON object.",
        ),
        ("INFO", "The application confirms its version."),
    ]
    data = caplog.records[1].__dict__["data"]
    assert data["application"]["version"] == "v2.4"
    assert data["stamp"]["version"] == "v2.3"


async def test_an_application_that_starts_late_is_asked_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def note(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr("sidecar.dependencies.application.asyncio.sleep", note)
    world = World(UpstreamRefused(), UpstreamRefused(), UpstreamError(), SAME)
    with pytest.raises(asyncio.CancelledError):
        await world.application.run()
    assert [round(pause_s) for pause_s in pauses[:2]] == [1, 2]
    assert pauses[3] >= 27
    assert len(world.changes) == 1
