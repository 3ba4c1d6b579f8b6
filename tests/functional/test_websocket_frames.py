"""WebSocket frame by frame (RFC 6455), the good and the bad, whole, in pieces and byte by byte:
what the server says to each is the same through the sidecar as without it.

The cases follow the sections of the well-known conformance suite of the field: framing, pings,
reserved bits and opcodes, fragmentation, UTF-8, the closing handshake, sizes.
"""

import asyncio
import codecs
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.functional.conftest import Launch

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x11\x22\x33\x44"
"""The same in every run, so that two conversations can be compared byte by byte."""

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PATIENCE_S = 60.0
MAX_MESSAGE = 1 << 20


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """One frame of a client (RFC 6455, 5.2)."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    size = len(payload)
    mask_bit = 0x80 if masked else 0
    if size < 126:
        length = bytes([mask_bit | size])
    elif size < 1 << 16:
        length = bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        length = bytes([mask_bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return bytes([first]) + length + payload
    repeated = (MASK * (size // 4 + 1))[:size]
    hidden = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
        size, "big"
    )
    return bytes([first]) + length + MASK + hidden


def closing(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def message(opcode: int, *pieces: bytes) -> bytes:
    """A message in as many frames as there are pieces."""
    last = len(pieces) - 1
    return b"".join(
        frame(opcode if index == 0 else CONTINUATION, piece, fin=index == last)
        for index, piece in enumerate(pieces)
    )


def cases() -> dict[str, bytes]:
    done = closing()
    greek = "κόσμε".encode()
    found: dict[str, bytes] = {}
    for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537):
        found[f"text of {size}"] = frame(TEXT, b"*" * size) + done
        found[f"binary of {size}"] = frame(BINARY, b"\xfe" * size) + done
    for size in (0, 1, 125):
        found[f"ping of {size}"] = frame(PING, b"\xff" * size) + done
    found["ping too long"] = frame(PING, b"p" * 126) + done
    found["pong unasked"] = frame(PONG, b"hello") + frame(PING, b"x") + done
    found["ten pings"] = b"".join(frame(PING, b"%d" % n) for n in range(10)) + done
    for reserved in range(1, 8):
        found[f"reserved bits {reserved}"] = (
            frame(TEXT, b"before") + frame(TEXT, b"bad", reserved=reserved) + frame(PING) + done
        )
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        found[f"reserved opcode {opcode}"] = frame(TEXT, b"before") + frame(opcode, b"x") + done
    found["not masked"] = frame(TEXT, b"hello", masked=False) + done
    found["ping in fragments"] = frame(PING, b"a", fin=False) + frame(CONTINUATION, b"b") + done
    found["pong in fragments"] = frame(PONG, b"a", fin=False) + frame(CONTINUATION, b"b") + done
    found["text in fragments"] = message(TEXT, b"fragment1", b"fragment2") + done
    found["ping between fragments"] = (
        frame(TEXT, b"one", fin=False) + frame(PING, b"now") + frame(CONTINUATION, b"two") + done
    )
    found["close between fragments"] = frame(TEXT, b"one", fin=False) + done
    found["empty fragments"] = message(TEXT, b"", b"", b"") + message(TEXT, b"", b"x", b"") + done
    found["a hundred fragments"] = message(BINARY, *([b"z" * 700] * 100)) + done
    found["continuation of nothing"] = frame(CONTINUATION, b"x") + frame(TEXT, b"y") + done
    found["unfinished continuation of nothing"] = frame(CONTINUATION, b"x", fin=False) + done
    found["text within fragments"] = frame(TEXT, b"one", fin=False) + frame(TEXT, b"two") + done
    found["utf-8"] = frame(TEXT, greek) + done
    found["utf-8 cut between fragments"] = (
        message(TEXT, *(greek[at : at + 1] for at in range(len(greek)))) + done
    )
    for name, bad in {
        "unfinished": greek[:-1],
        "surrogate": b"\xed\xa0\x80",
        "beyond the last plane": b"\xf4\x90\x80\x80",
        "overlong": b"\xc0\xaf",
        "overlong of three": b"\xe0\x80\xaf",
        "lone continuation": b"\x80",
        "impossible byte": b"\xfe",
        "in the middle": greek + b"\xff" + greek,
    }.items():
        found[f"utf-8 {name}"] = frame(TEXT, bad) + done
        found[f"utf-8 {name}, in fragments"] = message(TEXT, bad[:1], bad[1:]) + done
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        found[f"close with {code}"] = closing(code, b"because")
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        found[f"close with a code that must not be sent, {code}"] = closing(code)
    found["close without a code"] = closing(None)
    found["close with half a code"] = frame(CLOSE, b"\x03")
    found["close with the longest reason"] = closing(1000, b"r" * 123)
    found["close with too long a reason"] = closing(1000, b"r" * 124)
    found["close with a reason that is no utf-8"] = closing(1000, b"\xff\xfe")
    found["data after close"] = done + frame(TEXT, b"late") + frame(PING)
    found["close twice"] = done + done
    found["a message too big"] = frame(BINARY, bytes(MAX_MESSAGE + 1)) + done
    found["as big as may be"] = message(BINARY, *([bytes(MAX_MESSAGE // 16)] * 16)) + done
    found["a length that is not minimal"] = b"\x81\xfe\x00\x01" + MASK + b"\x70" + done
    found["a length with its highest bit"] = b"\x82\xff" + b"\xff" * 8 + MASK + b"x"
    return found


CASES = cases()
CHOPPINGS: dict[str, Callable[[bytes], list[bytes]]] = {
    "whole": lambda data: [data],
    "in pieces of 997": lambda data: [data[at : at + 997] for at in range(0, len(data), 997)],
    "byte by byte": lambda data: [bytes([byte]) for byte in data],
}


async def conversation(host: str, port: int, pieces: list[bytes]) -> bytes:
    """All that the server says until it closes; the head is left out, its date differs."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(HANDSHAKE)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

        async def speak() -> None:
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)

        heard = bytearray()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak())
            while data := await reader.read(1 << 16):
                heard += data
        return bytes(heard)
    finally:
        writer.transport.abort()


class Echo:
    """Gives each frame back, pongs for pings, and says why it closes: a library's protocol judges,
    and what is said hangs on the frames alone, not on how they came."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(max_size=MAX_MESSAGE)
        self.is_done = False
        self._text: codecs.IncrementalDecoder | None = None

    def said_to(self, data: bytes) -> bytes:
        self.protocol.receive_data(data)
        said = bytearray()
        for event in self.protocol.events_received():
            if isinstance(event, Request):
                self.protocol.send_response(self.protocol.accept(event))
                return b"".join(self.protocol.data_to_send())
            assert isinstance(event, Frame)
            if event.opcode is Opcode.PING:
                said += Frame(Opcode.PONG, event.data).serialize(mask=False)
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if not self._is_sound(event):
                    self.is_done = True
                    reason = Close(CloseCode.INVALID_DATA, "not UTF-8").serialize()
                    return bytes(said + Frame(Opcode.CLOSE, reason).serialize(mask=False))
                said += Frame(event.opcode, event.data, event.fin).serialize(mask=False)
        closing_frames = [one for one in self.protocol.data_to_send() if one.startswith(b"\x88")]
        self.is_done = bool(closing_frames)
        said += b"".join(closing_frames)
        return bytes(said)

    def _is_sound(self, frame: Frame) -> bool:
        if frame.opcode is not Opcode.CONT:
            is_text = frame.opcode is Opcode.TEXT
            self._text = codecs.getincrementaldecoder("utf-8")() if is_text else None
        try:
            if self._text is not None:
                self._text.decode(bytes(frame.data), frame.fin)
        except UnicodeDecodeError:
            return False
        return True


async def serve_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    echo = Echo()
    try:
        while not echo.is_done and (data := await reader.read(1 << 16)):
            writer.write(echo.said_to(data))
            await writer.drain()
        # What is closed with bytes unread is reset, and a reset takes along what was said before.
        writer.write_eof()
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def echo_server() -> AsyncIterator[tuple[str, int]]:
    server = await asyncio.start_server(serve_echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


@pytest.mark.parametrize("chopping", CHOPPINGS)
async def test_the_server_says_the_same_to_each_frame_through_the_sidecar_as_without(
    launch: Launch, echo_server: tuple[str, int], chopping: str
) -> None:
    host, port = echo_server
    sidecar = launch({"auth": {"mode": "off"}, "upstream": {"url": f"http://{host}:{port}"}})
    chop = CHOPPINGS[chopping]
    differing = {}
    for name, data in CASES.items():
        if chopping == "byte by byte" and len(data) > 2000:
            continue
        pieces = chop(data)
        async with asyncio.timeout(PATIENCE_S):
            expected = await conversation(host, port, pieces)
            found = await conversation(*sidecar.inbound_address, pieces)
        if found != expected:
            differing[name] = (expected[:60], found[:60])
    assert not differing
