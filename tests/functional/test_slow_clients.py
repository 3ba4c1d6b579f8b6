"""A thousand clients that are slow in every way, beside one that is fast and is served as ever.

How little it notices of them is for ``make bench ARGS="--only slow"`` to say.
"""

import resource
from collections.abc import Iterator

import pytest

from benchmarks.slow_clients import slow_clients
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.quick_application import quick_application
from tests.functional.sidecar_process import SidecarProcess, wait_until

SLOW = 1000
REQUESTS = 600


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


def test_a_fast_client_is_served_beside_a_thousand_slow_ones(sidecar: SidecarProcess) -> None:
    port = sidecar.inbound_address[1]
    with slow_clients(port, SLOW, "/size/3000000"), sidecar.connect() as client:
        wait_until(lambda: open_connections(sidecar) > SLOW, "all of them are connected")
        for _ in range(REQUESTS):
            assert client.exchange(request("/a")).body == b"ok"
        assert open_connections(sidecar) > SLOW
    wait_until(lambda: open_connections(sidecar) == 0, "all of them are gone")


def open_connections(sidecar: SidecarProcess) -> float:
    return sidecar.metrics().value("sidecar_connections_open")
