"""A transport that keeps what it is given, for protocols that are tested without a network."""

import asyncio
from typing import Any


class FakeTransport(asyncio.Transport):
    """``written`` is what the protocol wrote; ``waiting`` what the peer has not taken."""

    def __init__(self, protocol: Any = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.protocol = protocol
        self.written = b""
        self.waiting = 0
        self.is_reading_paused = False
        self.has_eof = False
        self.is_closed = False
        self.is_aborted = False
        self.is_faulty = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_faulty:
            raise RuntimeError("the transport is faulty")
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_eof = True

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True
