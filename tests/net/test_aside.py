"""Calls that may block for ever."""

import asyncio
import subprocess
import sys
import threading

import pytest

from sidecar.net.aside import Aside


async def test_what_is_returned_or_raised_comes_back() -> None:
    aside = Aside()
    assert await aside.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await aside.call(divmod, 7, 0)


async def test_a_call_that_hangs_is_made_once_and_delays_no_other() -> None:
    aside, release = Aside(), threading.Event()
    calls: list[str] = []

    def hang(name: str) -> str:
        calls.append(name)
        release.wait(60)
        return name

    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await aside.call(hang, "mount")
    assert await aside.call(str, 7) == "7"
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(aside.call(hang, "mount"))
        release.set()
    assert waiting.result() == "mount"
    assert calls == ["mount"]
    assert await aside.call(hang, "mount") == "mount"
    assert calls == ["mount", "mount"]


async def test_a_thread_that_cannot_be_started_costs_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    aside = Aside()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            await aside.call(str, 7)
    assert await aside.call(str, 7) == "7"


def test_a_program_ends_though_a_call_hangs() -> None:
    program = """
import asyncio, threading
from sidecar.net.aside import Aside

async def main() -> None:
    try:
        async with asyncio.timeout(0.1):
            await Aside().call(threading.Event().wait)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("given up\n", "")
