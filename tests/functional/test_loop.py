"""The event loop is never blocked: what one client sends must not make all others wait.

The sidecar runs as always, but for a watch in its process: it measures how much processor time the
loop's thread spends between two of its beats, which a busy machine does not change, and notes every
file that this thread opens and every name that it resolves while requests are served.
"""

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.client import Client, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.hostile import Beside
from tests.functional.quick_application import quick_application
from tests.functional.sidecar_process import SidecarProcess, wait_until

LIMIT_S = 0.050

#: Found by the interpreter when it starts. SIGUSR1 writes what was seen since the last time.
WATCH = """
import asyncio, json, os, signal, sys, threading, time

report = os.environ["WATCH_REPORT"]
blocking = ("open", "os.listdir", "os.scandir", "socket.getaddrinfo", "subprocess.Popen")
seen = {"worst_s": 0.0, "calls": []}
loop_thread = None
last = 0.0


def note(event, arguments):
    if event in blocking and threading.get_ident() == loop_thread:
        seen["calls"].append(f"{event} {arguments[0]!r}")


def beat(loop):
    global last
    now = time.thread_time()
    seen["worst_s"] = max(seen["worst_s"], now - last)
    last = now
    loop.call_later(0.002, beat, loop)


def tell():
    text = json.dumps(seen)
    seen.update(worst_s=0.0, calls=[])
    with open(report + ".part", "w") as file:
        file.write(text)
    os.replace(report + ".part", report)
    seen["calls"].clear()


async def watched(main):
    global loop_thread
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, tell)
    loop_thread = threading.get_ident()
    beat(loop)
    await main


import uvloop

run = uvloop.run
uvloop.run = lambda main: run(watched(main))
sys.addaudithook(note)
"""

Watch = Callable[[], dict[str, Any]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with quick_application() as address:
        yield address


@pytest.fixture
def watched(
    launch: Launch, tmp_path: Path, url: str, keyring: Path, signer: Signer
) -> tuple[SidecarProcess, Watch]:
    """A sidecar, and a function that says what was seen since it was last called."""
    signer.publish(keyring)
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    report = tmp_path / "report"
    rules = [{"paths": ["/a", "/size/*"], "access": "public"}]
    sidecar = launch(
        {
            "upstream": {"url": url},
            "auth": {"rules": rules},
            "log": {"access": "errors"},
            "limits": {"headers": 1000, "header_bytes": "64KiB"},
        },
        keyring=keyring,
        environment={"PYTHONPATH": str(tmp_path), "WATCH_REPORT": str(report)},
    )

    def tell() -> dict[str, Any]:
        report.unlink(missing_ok=True)
        sidecar.signal(signal.SIGUSR1)
        wait_until(report.exists, "the watch has spoken")
        seen: dict[str, Any] = json.loads(report.read_text())
        return seen

    assert sidecar.ask(request("/a")).status == 200
    tell()
    return sidecar, tell


def send(client: Client, data: bytes) -> None:
    """Send all of it, or as much as the sidecar wants to hear."""
    with contextlib.suppress(OSError):
        client.send(data)
        client.end_sending()


def drain(client: Client) -> None:
    """Read whatever comes until the sidecar ends the connection."""
    with contextlib.suppress(OSError):
        while client.socket.recv(1 << 18):
            pass


CHUNKED = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

HOSTILE = {
    "one-byte chunks": CHUNKED + b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n",
    "chunks with long extensions": (
        CHUNKED + (b"1;" + b"a" * 900 + b"\r\nx\r\n") * 3000 + b"0\r\n\r\n"
    ),
    "empty lines": b"\r\n" * 1_000_000,
    "a head without end": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200_000,
    "a head of many fields": (
        b"GET /a HTTP/1.1\r\nHost: a\r\n"
        + b"".join(b"f%d: x\r\n" % n for n in range(900))
        + b"\r\n"
    )
    * 100,
    "pipelined versions": request("/version") * 20_000,
    "pipelined refusals": request("/closed") * 20_000,
    "pipelined requests": request("/a") * 5_000,
    "many trailers": CHUNKED + b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
    "a large body": b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    + bytes(100_000_000),
    "a list without end": b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: "
    + b"a," * 30_000
    + b"\r\n\r\n",
    "forged tokens": b"".join(
        request("/closed", token="eyJhbGciOiJSUzI1NiJ9.e30." + f"{number:0342d}")
        for number in range(3000)
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_that_a_client_sends_blocks_the_loop(
    watched: tuple[SidecarProcess, Watch], case: str
) -> None:
    sidecar, tell = watched
    with sidecar.connect() as client:
        sending = Beside(lambda: send(client, HOSTILE[case]))
        drain(client)
        sending.join()
    assert sidecar.ask(request("/a")).status == 200
    seen = tell()
    assert seen["worst_s"] < LIMIT_S, case
    assert seen["calls"] == [], case


def test_nothing_that_many_clients_do_at_once_blocks_the_loop(
    watched: tuple[SidecarProcess, Watch], signer: Signer
) -> None:
    sidecar, tell = watched
    tokens = [signer.token(serial=number) for number in range(50)]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(sidecar.connect()) for _ in range(200)]
        for number, client in enumerate(clients):
            client.send(request("/closed", token=tokens[number % 50]) + request("/size/100000"))
        for client in clients:
            assert client.response().body == b"ok"
            assert len(client.response().body) == 100_000
    seen = tell()
    assert seen["worst_s"] < LIMIT_S
    assert seen["calls"] == []
