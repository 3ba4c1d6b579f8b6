"""Looking names up while some of them hang."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from sidecar.errors import FetchError
from sidecar.net.fetch import Fetcher
from sidecar.net.resolve import Resolver

KNOWN = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Names that begin with ``stuck`` hang until this is set; ``known`` has an address."""
    event = threading.Event()
    asked: list[str] = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        if host.startswith("stuck"):
            event.wait(30)
        if host == "known":
            return KNOWN
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("sidecar.net.resolve.socket.getaddrinfo", getaddrinfo)
    event.asked = asked  # type: ignore[attr-defined]
    yield event
    event.set()


async def test_names_that_hang_delay_no_other(release: Any) -> None:
    resolver = Resolver()
    async with asyncio.TaskGroup() as group:
        stuck = [group.create_task(resolver.resolve(f"stuck{i}")) for i in range(40)]
        async with asyncio.timeout(10):
            (found,) = await resolver.resolve("known", 80)
        assert (found["host"], found["port"]) == ("192.0.2.7", 80)
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()


async def test_a_name_that_hangs_is_looked_up_once_at_a_time(release: Any) -> None:
    resolver = Resolver()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await resolver.resolve("stuck")
    assert release.asked == ["stuck"]
    release.set()
    with pytest.raises(OSError, match="not known"):
        await resolver.resolve("stuck")


async def test_a_name_without_an_address_is_an_error_in_words(release: Any) -> None:
    fetcher = Fetcher()
    try:
        with pytest.raises(FetchError, match="its host name is not known"):
            await fetcher.fetch("http://nobody/", ca=None, headers={}, deadline_s=5.0)
        with pytest.raises(FetchError, match="did not answer in full within 0.05 s"):
            await fetcher.fetch("http://stuck/", ca=None, headers={}, deadline_s=0.05)
    finally:
        await fetcher.close()


async def test_a_name_that_is_none_has_no_address() -> None:
    with pytest.raises(OSError, match="no such name"):
        await Resolver().resolve("a" * 70 + ".b")
