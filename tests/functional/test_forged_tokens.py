"""Forged tokens, each another one, at full speed: they cost an answer each, and leave nothing."""

import asyncio
import itertools
import json
import math
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import uvloop

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.load import FastClient
from tests.functional.sidecar_process import SidecarProcess, wait_until

WARM_UP = 3_000
FLOOD = 12_000
CLIENTS = 8
#: What an allocator may keep for itself. Remembering the tokens alone would take 12 MB.
MAX_GROWTH_BYTES = 6 << 20
#: Lines a second and reason, as the documentation says.
LINES_PER_SECOND = 10


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def forgeries() -> Iterator[tuple[str, str]]:
    """Tokens that nobody signed, no two alike, each with the reason that it is refused for."""
    chance = random.Random(1)
    for number in itertools.count():
        payload = b64(json.dumps({"username": f"joker-{number}", "exp": 4_000_000_000}).encode())
        signature = b64(chance.randbytes(256))
        good = b64(b'{"alg":"RS256","kid":"2026-11"}')
        unknown = b64(json.dumps({"alg": "RS256", "kid": f"k-{number}"}).encode())
        odd = b64(json.dumps({"alg": "RS256", "typ": f"t-{number}"}).encode())
        yield f"{good}.{payload}.{signature}", "bad_signature"
        yield f"{unknown}.{payload}.{signature}", "unknown_key"
        yield f"{odd}.{payload}.{signature}", "bad_signature"
        yield f"{good}.{payload}.!{number}", "malformed"


class Flood:
    """Clients that send forgeries as fast as they are refused."""

    def __init__(self, sidecar: SidecarProcess, good: str) -> None:
        self._sidecar = sidecar
        self._forgeries = forgeries()
        self._good = request("/", token=good)
        self.refused: dict[str, int] = {}

    def run(self, count: int) -> float:
        """Send so many; how many seconds that took."""
        begin = time.monotonic()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run(count))
        return time.monotonic() - begin

    async def _run(self, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._send(count // CLIENTS))
        for _ in range(10):  # until the loop has closed what was closed
            await asyncio.sleep(0)

    async def _send(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(FastClient, *self._sidecar.inbound_address)
        try:
            for number in range(count):
                token, reason = next(self._forgeries)
                status, body = await client.exchange(request("/", token=token))
                assert (status, json.loads(body)["reason"]) == (401, reason)
                self.refused[reason] = self.refused.get(reason, 0) + 1
                if number % 50 == 0:
                    assert (await client.exchange(self._good))[0] == 200
        finally:
            client.close()


def test_ten_thousand_forged_tokens_cost_no_memory_and_few_lines(
    launch: Launch, application: Application, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    flood = Flood(sidecar, signer.token())
    took_s = flood.run(WARM_UP)
    before = sidecar.peak_memory_bytes()

    took_s += flood.run(FLOOD)

    assert sidecar.peak_memory_bytes() - before < MAX_GROWTH_BYTES
    rejected = sidecar.metrics().nonzero("sidecar_tokens_rejected_total")
    assert rejected == {("true", "none", reason): n for reason, n in flood.refused.items()}
    assert sum(flood.refused.values()) == WARM_UP + FLOOD
    for reason, count in flood.refused.items():
        wait_until(lambda: sum(told(sidecar, reason)) == count, "every refusal was told")  # noqa: B023
        lines, _ = told(sidecar, reason)
        assert lines <= LINES_PER_SECOND * (math.ceil(took_s) + 2)


def told(sidecar: SidecarProcess, reason: str) -> tuple[int, int]:
    """How many refusals the log shows, and how many it says it left out."""
    log = [line for line in sidecar.access_log if reason in (line.get("reason"), line.get("about"))]
    lines = [line for line in log if "reason" in line]
    return len(lines), sum(line.get("left_out", 0) for line in log)
