"""An application that answers fast, in a process of its own: for tests that measure.

``python -m tests.functional.quick_application`` prints its port and serves until its standard input
ends. Every answer is a small one, unless the path is ``/size/BYTES``.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

_SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class _Serve(asyncio.Protocol):
    """Understands what the sidecar sends and no more: heads, and bodies with a length or chunked.

    Answers when a request is complete.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""
        self._target: bytes | None = None
        self._left = 0
        self._is_chunked = False

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._read_body() if self._target is not None else self._read_head():
            pass

    def _read_head(self) -> bool:
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark:
            return False
        self._buffer = rest
        lower = head.lower()
        self._is_chunked = b"\r\ntransfer-encoding:" in lower
        _, found, length = lower.partition(b"\r\ncontent-length:")
        self._left = int(length.partition(b"\r\n")[0]) if found else 0
        self._target = head.split(b" ", 2)[1]
        return True

    def _read_body(self) -> bool:
        if self._is_chunked:
            _, mark, rest = self._buffer.partition(b"0\r\n\r\n")
            self._buffer = rest if mark else self._buffer[-4:]
            if not mark:
                return False
        else:
            taken = min(self._left, len(self._buffer))
            self._buffer, self._left = self._buffer[taken:], self._left - taken
            if self._left:
                return False
        self._answer()
        return True

    def _answer(self) -> None:
        target, self._target = self._target, None
        assert target is not None
        if target.startswith(b"/size/"):
            size = int(target[6:])
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
            self._transport.write(answer + bytes(size))
        else:
            self._transport.write(_SMALL)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Serve, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def quick_application() -> Iterator[str]:
    """The URL of such an application, which runs until the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.functional.quick_application"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main())
