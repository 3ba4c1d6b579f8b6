"""What is left to be sent when everything is said is waited for as long as it is taken."""

import asyncio

import pytest

from sidecar.upstream import opaque
from sidecar.upstream.opaque import OpaqueEnd
from tests.net.transports import FakeTransport


class SlowlyTaken(FakeTransport):
    """Each time it is asked, its peer has taken a byte more, until ``least`` are left."""

    def __init__(self, waiting: int, *, least: int) -> None:
        super().__init__()
        self.waiting = waiting
        self.least = least
        self.over = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        self.waiting = max(self.waiting - 1, self.least)
        if not self.waiting:
            self.over.set()
        return self.waiting

    def abort(self) -> None:
        super().abort()
        self.over.set()


async def ended(transport: SlowlyTaken) -> None:
    end = OpaqueEnd(asyncio.get_running_loop())
    end.transport = transport
    end.expect_end()
    await transport.over.wait()


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opaque, "LINGER_S", 0)


async def test_a_peer_that_takes_little_at_a_time_is_not_cut() -> None:
    transport = SlowlyTaken(20, least=0)
    await ended(transport)
    assert not transport.is_aborted


async def test_a_peer_that_takes_no_more_is_cut() -> None:
    transport = SlowlyTaken(20, least=7)
    await ended(transport)
    assert transport.is_aborted
    assert transport.waiting == 7
