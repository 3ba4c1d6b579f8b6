"""What clients and applications that mean harm, or are broken, do to a sidecar."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

from tests.functional.application import Answer, Request, Talk
from tests.functional.client import PATIENCE_S, Client, Response, request
from tests.functional.sidecar_process import SidecarProcess

#: A request that nobody authorised: it must never arrive on its own.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

NO_LINGER = struct.pack("ii", 1, 0)

Send = Callable[[Client, bytes], None]


def send_whole(client: Client, data: bytes) -> None:
    """Send everything at once; the other side may have hung up."""
    with contextlib.suppress(OSError):
        client.send(data)


def send_bytewise(client: Client, data: bytes) -> None:
    """Send every byte on its own; the other side may have hung up."""
    with contextlib.suppress(OSError):
        client.send_bytewise(data)


def refusal(sidecar: SidecarProcess, raw: bytes, send: Send) -> Response:
    """The answer to ``raw``, after which the sidecar must have ended the connection."""
    with sidecar.connect() as client:
        send(client, raw)
        answer = client.response()
        assert client.rest() == b"", "more came after the refusal"
    return answer


def naming_its_target(talk: Talk, request: Request) -> None:
    """Answer with the request's target and body, so that every answer can be told apart."""
    body = b"%b %b" % (request.target, talk.read_body(request))
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    if request.method != b"HEAD":
        talk.send(body)


def once(first: Answer, then: Answer = naming_its_target) -> Answer:
    """Answer the first request in one way and all later ones in another."""
    answers = iter([first])

    def answer(talk: Talk, received: Request) -> None:
        next(answers, then)(talk, received)

    return answer


def closing(raw: bytes) -> Answer:
    """Send these bytes and close the connection."""

    def answer(talk: Talk, _: Request) -> None:
        talk.send(raw)
        talk.close()

    return answer


def resetting(raw: bytes) -> Answer:
    """Send these bytes, give them time to arrive, and crash."""

    def answer(talk: Talk, _: Request) -> None:
        if raw:
            talk.send(raw)
            wait_until_taken(talk.socket)
        talk.reset()

    return answer


def keeping(raw: bytes) -> Answer:
    """Send these bytes and say no more, with the connection open."""

    def answer(talk: Talk, _: Request) -> None:
        talk.send(raw)

    return answer


def wait_until_taken(connection: socket.socket) -> None:
    """Wait until the other side's kernel has everything that was sent (Linux: SIOCOUTQ)."""
    import fcntl

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        waiting = struct.unpack("i", fcntl.ioctl(connection, 0x5411, b"\0\0\0\0"))[0]
        if waiting == 0:
            return
        time.sleep(0.005)
    raise AssertionError("the other side does not take the bytes")


def reset(client: Client) -> None:
    """End the client's connection as a crashed client does."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    client.socket.close()


def is_healthy(sidecar: SidecarProcess, target: str = "/healthy") -> bool:
    """Whether a plain request gets the answer that is its own."""
    answer = sidecar.ask(request(target))
    return answer.status == 200 and answer.body == target.encode() + b" "


@contextlib.contextmanager
def many_clients(sidecar: SidecarProcess, count: int) -> Iterator[list[Client]]:
    """As many open connections."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(sidecar.connect()) for _ in range(count)]


class Beside:
    """A function that runs on a thread of its own; its outcome is asked for at the end."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self._thread.start()

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:
            self._failure = error

    def join(self) -> None:
        """Wait for its end; raises what went wrong."""
        self._thread.join(PATIENCE_S * 2)
        assert not self._thread.is_alive(), "it does not end"
        if self._failure is not None:
            raise self._failure
