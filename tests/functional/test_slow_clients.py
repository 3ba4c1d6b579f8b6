"""A thousand clients that are slow in every way, beside one that is fast and must not notice."""

import contextlib
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.quick_application import quick_application
from tests.functional.sidecar_process import SidecarProcess, wait_until

SLOW = 1000
ROUNDS = 3
REQUESTS = 600

#: Run with the port and the number of clients: some send their head byte by byte, some their body,
#: some read nothing of a large answer. Says when all of them are at it.
SLOW_CLIENTS = r"""
import select, socket, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
head = b"GET /a HTTP/1.1\r\nHost: a\r\nX: "
body = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
large = b"GET /size/3000000 HTTP/1.1\r\nHost: a\r\n\r\n"
clients, readers = [], []
for number in range(count):
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kind = number % 20
    client.sendall(large if kind == 0 else body if kind < 10 else head)
    (clients if kind else readers).append(client)
print("all are there", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for client in clients:
        client.send(b"x")
        time.sleep(1 / count)
"""


@pytest.fixture
def sidecar(launch: Launch) -> Iterator[SidecarProcess]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files > SLOW + 200, "a limit of open files that is too low for this test"
    with quick_application() as url:
        yield launch(
            {
                "auth": {"mode": "off"},
                "upstream": {"url": url, "max_connections": 2000},
                "timeouts": {"header": "60s", "body_idle": "60s"},
                "log": {"access": "off"},
            }
        )


@contextlib.contextmanager
def slow_clients(sidecar: SidecarProcess) -> Iterator[None]:
    port = sidecar.inbound_address[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_CLIENTS, str(port), str(SLOW)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"all are there\n"
            yield
            assert process.poll() is None, "they did not stay"
        finally:
            process.kill()


def p99_s(sidecar: SidecarProcess) -> float:
    """The 99th percentile of the fast client's waiting."""
    raw = request("/a")
    times = []
    with sidecar.connect() as client:
        for _ in range(REQUESTS):
            begin = time.perf_counter()
            client.socket.sendall(raw)
            answer = client.socket.recv(1 << 16)
            times.append(time.perf_counter() - begin)
            assert answer.endswith(b"\r\n\r\nok")
    return sorted(times)[REQUESTS * 99 // 100]


def test_a_thousand_slow_clients_do_not_slow_a_fast_one(sidecar: SidecarProcess) -> None:
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(p99_s(sidecar))
        with slow_clients(sidecar):
            wait_until(lambda: open_connections(sidecar) >= SLOW, "all slow ones are connected")
            beside.append(p99_s(sidecar))
        wait_until(lambda: open_connections(sidecar) == 0, "all slow ones are gone")
    # The best of several rounds: what else happens on the machine only ever adds.
    assert min(beside) <= 2 * min(alone), (alone, beside)


def open_connections(sidecar: SidecarProcess) -> float:
    return sidecar.metrics().value("sidecar_connections_open")
