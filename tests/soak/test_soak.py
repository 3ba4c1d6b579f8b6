"""Ten minutes of everything at once: memory and file descriptors stay where they are.

Run by ``make soak``; ``SOAK_SECONDS`` sets another length.
"""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functional.client import Client, Truncated, request
from tests.functional.credentials import Signer
from tests.functional.hostile import Beside, reset
from tests.functional.quick_application import quick_application
from tests.functional.sidecar_process import SidecarProcess, wait_until

LENGTH_S = float(os.environ.get("SOAK_SECONDS", "600"))
SAMPLES = 60
MEGABYTE = 1 << 20


@pytest.fixture
def signer() -> Signer:
    return Signer.generate("2026-11", "RS256")


@pytest.fixture
def sidecar(tmp_path: Path, signer: Signer) -> Iterator[SidecarProcess]:
    keyring = tmp_path / "keyring"
    keyring.mkdir()
    signer.publish(keyring)
    with quick_application() as url:
        process = SidecarProcess(
            tmp_path,
            {
                "service": "soaked",
                "upstream": {"url": url},
                "auth": {"keyring": [str(keyring)]},
                "timeouts": {"header": "2s", "idle": "5s", "body_idle": "2s"},
                "limits": {"body_bytes": "8MiB"},
                "shutdown": {"drain": "0", "grace": "5s"},
            },
        )
        try:
            process.wait_until_ready()
            yield process
        finally:
            process.stop()


class Callers:
    """Each method is one kind of caller, called again and again."""

    def __init__(self, sidecar: SidecarProcess, signer: Signer) -> None:
        self._sidecar = sidecar
        self._tokens = [signer.token(serial=number) for number in range(200)]
        self._signer = signer
        self._numbers = itertools.count()
        self.answered = 0

    @property
    def _token(self) -> str:
        return self._tokens[next(self._numbers) % len(self._tokens)]

    def _expect(self, client: Client, raw: bytes, status: int) -> None:
        method = raw.partition(b" ")[0].decode()
        client.send(raw)
        assert client.response(method).status == status
        self.answered += 1

    def regular(self) -> None:
        with self._sidecar.connect() as client:
            for _ in range(200):
                self._expect(client, request(f"/{next(self._numbers)}", token=self._token), 200)

    def newcomer(self) -> None:
        with self._sidecar.connect() as client:
            self._expect(client, request("/a", "Connection: close", token=self._token), 200)

    def with_new_tokens(self) -> None:
        with self._sidecar.connect() as client:
            for _ in range(20):
                token = self._signer.token(serial=next(self._numbers), lifetime_s=60)
                self._expect(client, request("/a", token=token), 200)

    def uploader(self) -> None:
        body = bytes(next(self._numbers) % 100 * 10_000)
        with self._sidecar.connect() as client:
            self._expect(client, request("/a", method="POST", body=body, token=self._token), 200)

    def downloader(self) -> None:
        with self._sidecar.connect() as client:
            self._expect(client, request("/size/5000000", token=self._token), 200)

    def without_token(self) -> None:
        with self._sidecar.connect() as client:
            for number in range(50):
                fields = [f"X-{next(self._numbers)}: y"]
                self._expect(client, request(f"/{number}", *fields), 401)

    def forger(self) -> None:
        with self._sidecar.connect() as client:
            for _ in range(20):
                token = f"{self._token[:-20]}{next(self._numbers):020d}"
                self._expect(client, request("/a", token=token), 401)

    def scanner(self) -> None:
        for raw in (b"GET / HTTP/1.1\nHost: a\n\n", b"\x16\x03\x01", b"X" * 20_000, b"GET /"):
            with self._sidecar.connect() as client, contextlib.suppress(OSError):
                client.send(raw)
                client.rest()

    def quitter(self) -> None:
        for end in (reset, lambda client: client.socket.close()):
            client = self._sidecar.connect()
            client.send(request("/size/5000000", token=self._token))
            with contextlib.suppress(OSError):
                client.socket.recv(1000)
            end(client)

    def too_large(self) -> None:
        with self._sidecar.connect() as client, contextlib.suppress(OSError, Truncated):
            head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
            self._expect(client, head.encode(), 413)


def open_files(sidecar: SidecarProcess) -> int:
    return len(list(Path(f"/proc/{sidecar.pid}/fd").iterdir()))


def memory_bytes(sidecar: SidecarProcess) -> int:
    pages = Path(f"/proc/{sidecar.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def repeat(act: Callable[[], None], is_over: threading.Event) -> None:
    while not is_over.is_set():
        act()
        time.sleep(0.01)


@pytest.mark.soak
@pytest.mark.timeout(LENGTH_S * 2 + 120)
def test_memory_and_file_descriptors_are_flat(sidecar: SidecarProcess, signer: Signer) -> None:
    callers = Callers(sidecar, signer)
    callers.newcomer()
    idle_files = open_files(sidecar)
    is_over = threading.Event()
    kinds = (
        callers.regular,
        callers.regular,
        callers.newcomer,
        callers.with_new_tokens,
        callers.uploader,
        callers.downloader,
        callers.without_token,
        callers.forger,
        callers.scanner,
        callers.quitter,
        callers.too_large,
    )
    working = [Beside(lambda act=act: repeat(act, is_over)) for act in kinds]  # type: ignore[misc]
    memory: list[int] = []
    try:
        for _ in range(SAMPLES):
            time.sleep(LENGTH_S / SAMPLES)
            memory.append(memory_bytes(sidecar))
    finally:
        is_over.set()
        for one in working:
            one.join()
    third = SAMPLES // 3
    early, late = max(memory[third : 2 * third]), max(memory[2 * third :])
    course = [size // MEGABYTE for size in memory]
    assert late <= early + 8 * MEGABYTE, f"{callers.answered} answers; MiB over time: {course}"
    # Connections to the application idle for half a minute at most.
    wait_until(lambda: open_files(sidecar) <= idle_files, "all is closed", patience_s=60)
