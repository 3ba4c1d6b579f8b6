"""A service on loopback that says its version, rightly or not."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"

Reply = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """Answers each request with what ``reply`` writes; remembers their heads."""

    def __init__(self) -> None:
        self.reply: Reply = saying("v2.3")
        self.heads: list[str] = []
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/version"

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            await self.reply(head, writer)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Service]:
    """A service that runs as long as the context."""
    service = Service()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await service.serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    service.port = server.sockets[0].getsockname()[1]
    service.scheme = "https" if tls else "http"
    yield service
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def whole(body: bytes, status: str = "200 OK", *fields: str) -> Reply:
    """One complete answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    raw = "\r\n".join([*lines, "", ""]).encode() + body

    async def reply(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return reply


def saying(version: object, **more: object) -> Reply:
    """A version, in the form of the reference system."""
    return whole(json.dumps({"version": version, "commit": COMMIT, **more}).encode())


def redirecting(location: str) -> Reply:
    return whole(b"", "302 Found", f"Location: {location}")


async def silence(_: str, writer: asyncio.StreamWriter) -> None:
    """No answer, for longer than anybody waits."""
    await asyncio.sleep(600)


async def endlessly(_: str, writer: asyncio.StreamWriter) -> None:
    """A body that never ends, without a length."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def drop_by_drop(_: str, writer: asyncio.StreamWriter) -> None:
    """One byte after another, always just in time."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def break_off(_: str, writer: asyncio.StreamWriter) -> None:
    """Half of an answer."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"version": ')


async def no_http(_: str, writer: asyncio.StreamWriter) -> None:
    """Another protocol altogether."""
    writer.write(b"220 mail.example.org ESMTP\r\n")
