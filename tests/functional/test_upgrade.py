"""Upgraded connections: bytes pass both ways as they are, for as long as the token is good."""

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.functional.application import Application, Request, Talk
from tests.functional.client import Client, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.hostile import Beside, closing, is_healthy, keeping, naming_its_target, reset
from tests.functional.sidecar_process import SidecarProcess, wait_until

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {"leeway": "1s", "rules": [{"paths": ["/open/*"], "access": "public"}]},
        "log": {"access": "off"},
    }


@pytest.fixture(autouse=True)
def telling_application(application: Application) -> Iterator[None]:
    application.answer = naming_its_target
    yield
    application.answer = naming_its_target


def upgrade(target: str = "/open/raw", *fields: str, protocol: str = "raw", **more: Any) -> bytes:
    return request(target, "Connection: upgrade", f"Upgrade: {protocol}", *fields, **more)


def switch_and(act: Any) -> Any:
    """An answer that switches protocols and then talks as ``act`` does."""

    def answer(talk: Talk, _: Request) -> None:
        talk.send(SWITCHED)
        act(talk.socket)
        talk.close()

    return answer


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def switched(client: Client, raw: bytes | None = None) -> socket.socket:
    """Ask for the upgrade and read exactly its answer; the bare connection."""
    client.send(upgrade() if raw is None else raw)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.socket.recv(1)
        assert byte, head
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    return client.socket


def take(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, f"ended after {len(data)} of {size} bytes"
        data += piece
    return bytes(data)


def read_all(connection: socket.socket) -> bytes:
    data = bytearray()
    while piece := connection.recv(1 << 18):
        data += piece
    return bytes(data)


# --- any protocol ---


def test_the_answer_to_an_upgrade_is_the_applications(
    sidecar: SidecarProcess, application: Application
) -> None:
    head = SWITCHED.replace(b"raw", b"RAW").replace(b"\r\n\r\n", b"\r\nSec-Accept: xyz\r\n\r\n")
    application.answer = keeping(head)
    with sidecar.connect() as client:
        client.send(upgrade("/open/raw", "Sec-Key: abc", protocol="raw/1.0, raw"))
        lines = take(client.socket, len(head)).split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 101 Switching Protocols"
    assert {b"Upgrade: RAW", b"Connection: upgrade", b"Sec-Accept: xyz"} == set(lines[1:-2])
    assert application.last.value("Upgrade") == b"raw/1.0, raw"
    assert application.last.value("Connection").lower() == b"upgrade"
    assert application.last.value("Sec-Key") == b"abc"


def test_bytes_pass_both_ways_as_they_are(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = switch_and(echo)
    with sidecar.connect() as client:
        connection = switched(client)
        for data in (b"x", b"\x00\xff\r\n\r\n", b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"):
            connection.sendall(data)
            assert take(connection, len(data)) == data
    assert [received.target for received in application.requests] == [b"/open/raw"]


def test_bytes_that_follow_the_heads_at_once_are_not_lost(
    sidecar: SidecarProcess, application: Application
) -> None:
    def greet(talk: Talk, _: Request) -> None:
        talk.send(SWITCHED + b"hello " + talk._unread)
        echo(talk.socket)
        talk.close()

    application.answer = greet
    with sidecar.connect() as client:
        connection = switched(client, upgrade() + b"early")
        assert take(connection, 11) == b"hello early"


def test_much_that_comes_before_the_answer_is_carried_too(
    sidecar: SidecarProcess, application: Application
) -> None:
    may_answer = threading.Event()

    def answer_late(talk: Talk, _: Request) -> None:
        assert may_answer.wait(20)
        talk.send(SWITCHED + talk._unread)
        echo(talk.socket)
        talk.close()

    application.answer = answer_late
    early = bytes(range(256)) * 4096
    with sidecar.connect() as client:
        sending = Beside(lambda: client.send(upgrade() + early))
        time.sleep(0.1)  # lets some of it arrive first; nothing hangs on how much
        may_answer.set()
        connection = switched(client, b"")
        assert take(connection, len(early)) == early
        sending.join()


def test_an_application_that_speaks_and_leaves_at_once_is_heard(
    sidecar: SidecarProcess, application: Application
) -> None:
    for _ in range(20):
        application.answer = closing(SWITCHED + b"bye")
        with sidecar.connect() as client:
            assert read_all(switched(client)) == b"bye"


def test_a_client_may_end_its_side_and_go_on_reading(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = switch_and(
        lambda connection: connection.sendall(b"got " + read_all(connection))
    )
    with sidecar.connect() as client:
        connection = switched(client)
        connection.sendall(b"all")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"got all"


def test_an_application_may_end_its_side_and_go_on_reading(
    sidecar: SidecarProcess, application: Application
) -> None:
    received: list[bytes] = []

    def end_first(connection: socket.socket) -> None:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        received.append(read_all(connection))

    application.answer = switch_and(end_first)
    with sidecar.connect() as client:
        connection = switched(client)
        assert read_all(connection) == b"last words"
        connection.sendall(b"still here")
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: received == [b"still here"], "the application has read it")


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_whoever_reads_slowly_is_waited_for(
    sidecar: SidecarProcess, application: Application, direction: str
) -> None:
    """Far more than any buffer holds, with a reader that does not read until the sender waits."""
    data = bytes(range(256)) * (96 * MEGABYTE // 256)
    digest = hashlib.sha256(data).hexdigest()
    before = sidecar.peak_memory_bytes()
    is_stuck = threading.Event()
    heard: list[str] = []

    def send_much(connection: socket.socket) -> None:
        connection.settimeout(0.5)
        at = 0
        view = memoryview(data)
        while at < len(data):
            try:
                at += connection.send(view[at : at + MEGABYTE])
            except TimeoutError:
                is_stuck.set()
        connection.shutdown(socket.SHUT_WR)

    def read_late(connection: socket.socket) -> None:
        connection.settimeout(20)
        assert is_stuck.wait(20)
        seen = hashlib.sha256()
        while piece := connection.recv(1 << 18):
            seen.update(piece)
        heard.append(seen.hexdigest())

    def both(connection: socket.socket) -> None:
        with connection.dup() as other:
            reading = Beside(lambda: read_late(other))
            send_much(connection)
            reading.join()

    roles = {"up": (send_much, read_late), "down": (read_late, send_much), "both": (both, both)}
    client_role, application_role = roles[direction]
    ended = threading.Event()

    def act(connection: socket.socket) -> None:
        application_role(connection)
        ended.set()

    application.answer = switch_and(act)
    with sidecar.connect() as client:
        client_role(switched(client))
        assert ended.wait(20)
    assert set(heard) == {digest}
    assert sidecar.peak_memory_bytes() - before < 24 * MEGABYTE


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("side", ["client", "application"])
def test_when_one_side_is_gone_the_other_learns_it(
    sidecar: SidecarProcess, application: Application, side: str, end: str
) -> None:
    gone = threading.Event()

    def act(connection: socket.socket) -> None:
        if side == "client":
            with contextlib.suppress(OSError):
                read_all(connection)
            gone.set()

    def answer(talk: Talk, _: Request) -> None:
        talk.send(SWITCHED)
        act(talk.socket)
        if end == "reset":
            talk.reset()

    application.answer = answer if side == "client" or end == "reset" else switch_and(act)
    client = sidecar.connect()
    connection = switched(client)
    if side == "client":
        if end == "reset":
            reset(client)
        else:
            client.socket.close()
        assert gone.wait(20)
    else:
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
        client.socket.close()


# --- what is no tunnel ---


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "403 Forbidden", "404 Not Found"])
def test_an_upgrade_that_the_application_declines_stays_http(
    sidecar: SidecarProcess, application: Application, status: str
) -> None:
    def decline(talk: Talk, received: Request) -> None:
        if received.target == b"/open/raw":
            talk.send(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno".encode())
        else:
            naming_its_target(talk, received)

    application.answer = decline
    with sidecar.connect() as client:
        answer = client.exchange(upgrade())
        assert (answer.status, answer.body) == (int(status[:3]), b"no")
        assert client.exchange(request("/open/a")).body == b"/open/a "
        # What follows is HTTP again: it needs a token of its own.
        assert client.exchange(request("/closed")).status == 401


@pytest.mark.parametrize(
    "protocol",
    ["h2c", "H2C", "h2", "websocket, h2c", "h2c, websocket", "HTTP/2.0", "TLS/1.2", "http/1.1"],
)
def test_http_is_never_tunnelled_inside_of_http(
    sidecar: SidecarProcess, application: Application, protocol: str
) -> None:
    raw = upgrade(
        "/open/raw", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", protocol=protocol
    ).replace(b"Connection: upgrade", b"Connection: Upgrade, HTTP2-Settings")
    assert sidecar.ask(raw).body == b"/open/raw "
    for name in ("Upgrade", "HTTP2-Settings", "Connection"):
        assert application.last.values(name) == []
    # And not even if the application switches all the same.
    application.answer = switch_and(echo)
    answer = sidecar.ask(raw)
    assert (answer.status, answer.problem_reason) == (502, "upstream_malformed")


@pytest.mark.parametrize(
    "raw",
    [
        request("/open/raw"),
        request("/open/raw", "Upgrade: raw"),
        request("/open/raw", "Connection: upgrade"),
        request("/open/raw", "Connection: keep-alive", "Upgrade: raw"),
        upgrade(protocol="other"),
        b"GET /open/raw HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n",
    ],
    ids=["nothing", "no Connection", "no Upgrade", "another option", "another protocol", "1.0"],
)
def test_a_switch_that_was_not_asked_for_gets_502(
    sidecar: SidecarProcess, application: Application, raw: bytes
) -> None:
    application.answer = switch_and(echo)
    answer = sidecar.ask(raw)
    assert (answer.status, answer.problem_reason) == (502, "upstream_malformed")
    application.answer = naming_its_target
    assert sidecar.ask(request("/open/a")).body == b"/open/a "


def test_a_tunnel_needs_a_token(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    application.answer = switch_and(echo)
    assert sidecar.ask(upgrade("/raw")).status == 401
    assert application.requests == []
    with sidecar.connect() as client:
        connection = switched(client, upgrade("/raw", token=signer.token()))
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"


# --- the end of a tunnel is the end of its token ---


def seconds_until_the_end(connection: socket.socket) -> float:
    begin = time.monotonic()
    with contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""
    return time.monotonic() - begin


def test_a_tunnel_ends_with_its_token(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    application.answer = switch_and(echo)
    with sidecar.connect() as short, sidecar.connect() as long, sidecar.connect() as public:
        expiry = time.time() + 1.5
        token = signer.token(exp=int(expiry))
        ending = switched(short, upgrade("/raw", token=token))
        others = [
            switched(long, upgrade("/raw", token=signer.token())),
            switched(public, upgrade("/open/raw", token=token)),
        ]
        seconds_until_the_end(ending)
        # int(expiry) and a leeway of 1 s, and at most a second until it is seen.
        assert int(expiry) + 1 <= time.time() < int(expiry) + 1 + 1 + 0.5
        for connection in others:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"


def test_a_tunnel_ends_within_a_second_of_its_keys_removal(
    launch: Launch, application: Application, keyring: Any, signer: Signer, older_signer: Signer
) -> None:
    signer.publish(keyring)
    file = older_signer.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    application.answer = switch_and(echo)
    with sidecar.connect() as first, sidecar.connect() as second:
        ending = switched(first, upgrade("/raw", token=older_signer.token()))
        other = switched(second, upgrade("/raw", token=signer.token()))
        file.unlink()
        wait_until(lambda: len(sidecar.keys()) == 1, "the key is gone")
        assert seconds_until_the_end(ending) < 1.2
        other.sendall(b"x")
        assert other.recv(1) == b"x"


def test_a_tunnel_outlives_its_token_where_that_is_wanted(
    launch: Launch, application: Application, keyring: Any, signer: Signer
) -> None:
    signer.publish(keyring)
    application.answer = switch_and(echo)
    observing = launch(
        {"auth": {"mode": "observe", "leeway": "0"}}, application=application, keyring=keyring
    )
    lasting = launch(
        {"auth": {"leeway": "0"}, "tunnel": {"end": "never"}},
        application=application,
        keyring=keyring,
    )
    with observing.connect() as one, lasting.connect() as two:
        token = signer.token(exp=int(time.time()) + 1)
        tunnels = [switched(client, upgrade("/raw", token=token)) for client in (one, two)]
        wait_until(lambda: lasting.ask(request("/a", token=token)).status == 401, "it has expired")
        time.sleep(1)
        for connection in tunnels:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"


def test_tunnels_are_cut_when_the_sidecar_ends(launch: Launch, application: Application) -> None:
    import signal

    sidecar = launch(
        {"auth": {"mode": "off"}, "shutdown": {"drain": "0", "grace": "0.3s"}},
        application=application,
    )
    application.answer = switch_and(echo)
    with sidecar.connect() as client:
        connection = switched(client)
        sidecar.signal(signal.SIGTERM)
        seconds_until_the_end(connection)
        assert sidecar.wait() == 0


# --- WebSocket, as a well-kept library speaks it ---


@pytest.fixture
async def websocket_server() -> AsyncIterator[str]:
    """An echo of its own kind: some words make it do something else."""

    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "close":
                await connection.close(4321, "as you wish")
            elif message == "vanish":
                connection.transport.abort()
            elif message == "ping":
                await (await connection.ping(b"are you there"))
                await connection.send("pong")
            elif isinstance(message, str) and message.startswith("big"):
                await connection.send("x" * int(message[3:]))
            else:
                await connection.send(message)

    def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return Subprotocol("b") if "b" in offered else None

    async with serve(handle, "127.0.0.1", 0, max_size=None, select_subprotocol=choose) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"127.0.0.1:{port}"


async def fragments(*pieces: str | bytes) -> AsyncIterator[str | bytes]:
    for piece in pieces:
        yield piece


async def said(connection: ClientConnection, *messages: str | bytes) -> list[Any]:
    """What comes back for these messages; the last entry is how the connection ended."""
    heard: list[Any] = []
    try:
        for message in messages:
            await connection.send(message)
            heard.append(await connection.recv())
        await connection.close(1000, "done")
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    return [*heard, connection.close_code, connection.close_reason]


async def everything(url: str) -> dict[str, Any]:
    """One of each thing that WebSocket connections do (RFC 6455), and what came of it."""
    seen: dict[str, Any] = {}
    results: dict[str, list[str | bytes]] = {
        "text": ["hello", "", "Grüße \U0001f600", "x" * 65535],
        "binary": [b"", bytes(range(256)), bytes(125), bytes(126), bytes(65536)],
        "big": ["big3000000", "x" * 2_000_000],
        "a ping from the server": ["ping"],
        "closed by the server": ["close"],
        "gone without a word": ["vanish"],
    }
    for name, messages in results.items():
        async with connect(url, max_size=None, compression=None) as connection:
            seen[name] = await said(connection, *messages)
    async with connect(url, max_size=None, compression="deflate") as connection:
        seen["extensions"] = [type(one).__name__ for one in connection.protocol.extensions]
        seen["compressed"] = await said(connection, "a" * 100_000, "big200000")
    async with connect(url, subprotocols=[Subprotocol("a"), Subprotocol("b")]) as connection:
        seen["subprotocol"] = connection.subprotocol
        await (await connection.ping(b"x" * 125))
        await connection.send(fragments("frag", "ment", "s"))
        seen["fragments"] = await connection.recv()
        await connection.send(fragments(b"\x00" * 70_000, b"", b"\xff"))
        seen["binary fragments"] = hashlib.sha256(await connection.recv(decode=False)).hexdigest()
        await asyncio.gather(*(connection.send(str(number)) for number in range(200)))
        seen["many"] = [await connection.recv() for _ in range(200)]
    return seen


async def test_websocket_is_the_same_through_the_sidecar_as_without(
    launch: Launch, websocket_server: str
) -> None:
    sidecar = launch({"auth": {"mode": "off"}, "upstream": {"url": f"http://{websocket_server}"}})
    through = "ws://{}:{}/".format(*sidecar.inbound_address)
    assert await everything(through) == await everything(f"ws://{websocket_server}/")


async def test_websocket_needs_a_token_on_its_handshake(
    launch: Launch, websocket_server: str, keyring: Any, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = launch({"upstream": {"url": f"http://{websocket_server}"}}, keyring=keyring)
    url = "ws://{}:{}/".format(*sidecar.inbound_address)
    with pytest.raises(InvalidStatus) as refusal:
        await connect(url)
    assert refusal.value.response.status_code == 401
    bearer = {"Authorization": f"Bearer {signer.token()}"}
    async with connect(url, additional_headers=bearer) as connection:
        await connection.send("hello")
        assert await connection.recv() == "hello"


async def test_many_websockets_at_once_do_not_mix(launch: Launch, websocket_server: str) -> None:
    sidecar = launch({"auth": {"mode": "off"}, "upstream": {"url": f"http://{websocket_server}"}})
    url = "ws://{}:{}/".format(*sidecar.inbound_address)

    async def talk(number: int) -> None:
        async with connect(url, compression=None) as connection:
            for turn in range(10):
                await connection.send(f"{number}/{turn}" * 100)
                assert await connection.recv() == f"{number}/{turn}" * 100

    await asyncio.gather(*(talk(number) for number in range(40)))
    assert sidecar.metrics().value("sidecar_connections_open") <= 40


def test_http_goes_on_beside_tunnels(sidecar: SidecarProcess, application: Application) -> None:
    def answer(talk: Talk, received: Request) -> None:
        if received.values("Upgrade"):
            switch_and(echo)(talk, received)
        else:
            naming_its_target(talk, received)

    application.answer = answer
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(sidecar.connect()) for _ in range(20)]
        tunnels = [switched(client) for client in clients]
        for number in range(20):
            assert is_healthy(sidecar, f"/open/{number}")
            tunnels[number].sendall(b"x")
            assert tunnels[number].recv(1) == b"x"
