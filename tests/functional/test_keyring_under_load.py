"""Keys come and go while callers send requests as fast as they can. Nobody gets a wrong answer."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.load import FastApplication, FastClient
from tests.functional.sidecar_process import SidecarProcess, wait_until

RUN_S = 10.0
CLIENTS = 12
#: Tokens of each key: the sidecar has seen most of them before, and some it has not.
TOKENS = 150


@dataclass
class Door:
    """A key, and whether its tokens must be let in. ``epoch`` grows with every change of that."""

    signer: Signer
    state: str = "open"  # open, shut, or changing: either answer is right
    epoch: int = 0

    def __post_init__(self) -> None:
        tokens = [self.signer.token(number=number) for number in range(TOKENS)]
        tokens += [self.signer.token(kid="", number=number) for number in range(TOKENS)]
        self._requests = itertools.cycle([request("/load", token=token) for token in tokens])

    def next_request(self) -> bytes:
        return next(self._requests)

    def become(self, state: str) -> None:
        self.state = state
        self.epoch += 1


class Load:
    """Callers at full speed, and the count of what they were answered."""

    def __init__(self, sidecar: SidecarProcess, doors: list[Door]) -> None:
        self._sidecar = sidecar
        self._doors = itertools.cycle(doors)
        self.is_over = False
        self.answers: Counter[int] = Counter()
        self.judged: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run_client(self) -> None:
        address = self._sidecar.inbound_address
        _, client = await asyncio.get_running_loop().create_connection(FastClient, *address)
        try:
            while not self.is_over:
                await self._exchange(client, next(self._doors))
        finally:
            client.close()

    async def _exchange(self, client: FastClient, door: Door) -> None:
        state, epoch = door.state, door.epoch
        status, body = await client.exchange(door.next_request())
        self.answers[status] += 1
        if door.epoch != epoch:
            state = "changing"
        self.judged[state] += 1
        right = {"open": (200,), "shut": (401,), "changing": (200, 401)}[state]
        if status not in right:
            self.wrong.append(f"{door.signer.key_id} is {state}, and got {status}: {body!r}")


class Rotation:
    """Adds, removes and replaces keys, over and over, and says when each change is in force."""

    def __init__(self, sidecar: SidecarProcess, keyring: Path, load: Load) -> None:
        self._sidecar = sidecar
        self._keyring = keyring
        self._load = load
        self.changes: Counter[str] = Counter()

    async def remove(self, door: Door) -> None:
        door.become("changing")
        (self._keyring / f"{door.signer.key_id}.pub").unlink()
        await self._wait(lambda keys: door.signer.key_id not in keys)
        door.become("shut")
        self.changes["removed"] += 1

    async def add(self, door: Door) -> None:
        door.become("changing")
        door.signer.publish(self._keyring)
        await self._wait(lambda keys: door.signer.key_id in keys)
        door.become("open")
        self.changes["added"] += 1

    async def replace(self, before: Door, after: Door) -> None:
        """Put another key under the same id."""
        before.become("changing")
        after.become("changing")
        key_id = after.signer.key_id
        thumbprint = self._sidecar.keys()[key_id]["thumbprint"]
        temporary = self._keyring / ".tmp"
        temporary.write_bytes(after.signer.public_pem)
        temporary.rename(self._keyring / f"{key_id}.pub")
        await self._wait(lambda keys: keys[key_id]["thumbprint"] != thumbprint)
        before.become("shut")
        after.become("open")
        self.changes["replaced"] += 1

    async def _wait(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        # On a thread: the callers go on meanwhile.
        await asyncio.to_thread(
            wait_until, lambda: is_so(self._sidecar.keys()), "the change is in force"
        )


@pytest.fixture
def report(
    pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Tell whoever runs the tests, whether they pass or not."""
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None

    def write(line: str) -> None:
        with capsys.disabled():
            reporter.write_line("")
            reporter.write_line(line)

    return write


def test_keys_come_and_go_under_load_without_one_wrong_answer(
    launch: Launch, tmp_path: Path, keyring: Path, report: Callable[[str], None]
) -> None:
    steady = Door(Signer.generate("2026-05"))
    rotating = [Door(Signer.generate(key_id)) for key_id in ("2026-08", "2026-11")]
    one, other = Door(Signer.generate("swapped")), Door(Signer.generate("swapped"))
    other.state = "shut"
    for door in (steady, *rotating, one):
        door.signer.publish(keyring)
    socket_path = tmp_path / "app.sock"
    application = FastApplication()

    async def scenario() -> tuple[Load, Rotation, float]:
        await application.listen(str(socket_path))
        configuration = {"upstream": {"url": f"unix:{socket_path}"}, "log": {"access": "off"}}
        sidecar = await asyncio.to_thread(launch, configuration, keyring=keyring)
        load = Load(sidecar, [steady, *rotating, one, other])
        rotation = Rotation(sidecar, keyring, load)
        begin = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CLIENTS):
                    tasks.create_task(load.run_client())
                await rotate(rotation, until=begin + RUN_S)
                load.is_over = True
        finally:
            await application.close()
        metrics = await asyncio.to_thread(sidecar.metrics)
        accepted = metrics.nonzero("sidecar_tokens_accepted_total")
        rejected = metrics.nonzero("sidecar_tokens_rejected_total")
        assert sum(accepted.values()) == load.answers[200]
        assert sum(rejected.values()) == load.answers[401]
        assert {reason for _, _, reason in rejected} <= {"unknown_key", "bad_signature"}
        return load, rotation, time.monotonic() - begin

    async def rotate(rotation: Rotation, until: float) -> None:
        current, spare = one, other
        while time.monotonic() < until:
            for door in rotating:
                await rotation.remove(door)
            await rotation.replace(current, spare)
            current, spare = spare, current
            for door in rotating:
                await rotation.add(door)

    load, rotation, took_s = uvloop.run(scenario())

    total = load.answers.total()
    report(
        f"{total} answers in {took_s:.1f} s ({total / took_s:.0f}/s) by {CLIENTS} clients: "
        f"{load.answers[200]} x 200, {load.answers[401]} x 401; {load.judged['open']} had to be "
        f"200, {load.judged['shut']} had to be 401, {load.judged['changing']} fell into a change; "
        f"keys {dict(rotation.changes)}; wrong answers: {len(load.wrong)}"
    )
    assert load.wrong == []
    assert set(load.answers) == {200, 401}
    assert application.request_count == load.answers[200]
    assert min(load.judged["open"], load.judged["shut"]) > 1000
    assert min(rotation.changes.values()) >= 2
