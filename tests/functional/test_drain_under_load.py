"""The end of a sidecar, as its callers see it: not at all. Counted by load generators."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.quick_application import quick_application
from tests.functional.sidecar_process import SidecarProcess, wait_until

LOAD_S = 3


@pytest.fixture
def url() -> Iterator[str]:
    with quick_application() as address:
        yield address


@pytest.fixture
def draining(launch: Launch, url: str) -> SidecarProcess:
    """A sidecar that serves new connections for longer than the load lasts."""
    return launch(
        {
            "auth": {"mode": "off"},
            "upstream": {"url": url},
            "shutdown": {"drain": "15s", "grace": "5s"},
            "log": {"access": "errors"},
        }
    )


def run_while_it_drains(sidecar: SidecarProcess, command: list[str | Path]) -> str:
    """Run the load generator, and tell the sidecar to end in the middle; what the former says."""
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as load:
        try:
            wait_until(lambda: served(sidecar) > 1000, "the load is on")
            time.sleep(LOAD_S / 4)  # so that it is in full swing; nothing hangs on how much
            sidecar.signal(signal.SIGTERM)
            wait_until(lambda: sidecar.ready_status() == 503, "it is not ready any more")
            before = served(sidecar)
            output, _ = load.communicate(timeout=60)
        finally:
            load.kill()
    assert served(sidecar) > before, "the load was over too early to prove anything"
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0
    return output


def served(sidecar: SidecarProcess) -> float:
    return sum(value for _, value in sidecar.metrics().samples("sidecar_requests_total"))


@pytest.mark.needs_tool("wrk")
def test_wrk_counts_no_failed_request_while_the_sidecar_drains(
    draining: SidecarProcess, tool_path: Callable[[str], Path]
) -> None:
    address = "http://{}:{}/a".format(*draining.inbound_address)
    output = run_while_it_drains(
        draining, [tool_path("wrk"), "-t1", "-c32", f"-d{LOAD_S}s", address]
    )
    assert "Socket errors" not in output, output
    assert "Non-2xx" not in output, output
    count = re.search(r"(\d+) requests in", output)
    assert count is not None, output
    assert int(count[1]) > 1000
    # It leaves in the middle of its last requests.
    assert {line["reason"] for line in draining.access_log} <= {"client_gone"}


@pytest.mark.needs_tool("hey")
def test_hey_counts_no_failed_request_while_the_sidecar_drains(
    draining: SidecarProcess, tool_path: Callable[[str], Path]
) -> None:
    address = "http://{}:{}/a".format(*draining.inbound_address)
    output = run_while_it_drains(
        draining, [tool_path("hey"), "-z", f"{LOAD_S}s", "-c", "32", address]
    )
    assert "Error distribution" not in output, output
    assert re.findall(r"\[(\d+)\]\s+\d+ responses", output) == ["200"], output


def test_while_it_drains_every_answer_ends_its_connection(draining: SidecarProcess) -> None:
    with draining.connect() as client:
        assert client.exchange(request("/a")).values("Connection") == []
        draining.signal(signal.SIGTERM)
        wait_until(lambda: draining.ready_status() == 503, "it drains")
        assert client.exchange(request("/a")).values("Connection") == [b"close"]
        assert client.rest() == b""
    assert draining.ask(request("/a")).values("Connection") == [b"close"]


def test_what_is_in_flight_when_the_doors_close_is_finished(launch: Launch, url: str) -> None:
    sidecar = launch(
        {
            "auth": {"mode": "off"},
            "upstream": {"url": url},
            "shutdown": {"drain": "0", "grace": "15s"},
        }
    )
    size = 30_000_000
    with sidecar.connect() as client, sidecar.connect() as idle:
        idle.exchange(request("/a"))
        client.send(request(f"/size/{size}"))
        begun = client.socket.recv(1)
        sidecar.signal(signal.SIGTERM)
        assert idle.rest() == b""
        rest = client.rest()
        assert (begun + rest).endswith(bytes(1000))
        assert len(rest) > size
    assert sidecar.wait() == 0
