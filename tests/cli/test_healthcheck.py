"""``sidecar healthcheck`` against servers that answer well, badly and not at all."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from sidecar.cli.healthcheck import command
from sidecar.config.settings import Settings

LIVE = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
DYING = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


def check(*words: str) -> int:
    code = command.main(["--timeout", "5", *words], standalone_mode=False)
    assert isinstance(code, int)
    return code


@contextmanager
def server(answer: bytes, listener: socket.socket) -> Iterator[list[bytes]]:
    """A server for one request; yields the list in which the request will be."""
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(4096))
            connection.sendall(answer)

    with listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield requests
        thread.join(timeout=10)


def tcp() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_sidecar_that_lives_is_healthy() -> None:
    listener, address = tcp()
    with server(LIVE, listener) as requests:
        assert check("--admin", address) == 0
    assert requests[0].startswith(b"GET /live HTTP/1.0\r\n")


@pytest.mark.parametrize("answer", [DYING, b"", b"nonsense\r\n", b"HTTP/1.1 abc\r\n", b"\0" * 999])
def test_a_sidecar_that_answers_anything_else_is_not(answer: bytes) -> None:
    listener, address = tcp()
    with server(answer, listener):
        assert check("--admin", address) == 1


def test_where_nobody_listens_nobody_lives(capsys: pytest.CaptureFixture[str]) -> None:
    listener, address = tcp()
    listener.close()
    assert check("--admin", address) == 1
    assert "refused" in capsys.readouterr().out


def test_a_sidecar_that_starts_late_is_waited_for() -> None:
    listener, address = tcp()
    listener.close()

    def start() -> None:
        late = socket.create_server(("127.0.0.1", int(address.rpartition(":")[2])))
        with server(LIVE, late):
            pass

    starter = threading.Timer(0.5, start)
    starter.start()
    assert check("--admin", address, "--wait", "30") == 0
    starter.join()


def test_a_sidecar_that_does_not_answer_in_time_is_not_healthy() -> None:
    listener, address = tcp()
    with listener:
        assert check("--admin", address, "--timeout", "0.1") == 1


def test_an_address_that_means_every_address_is_asked_on_loopback() -> None:
    listener, address = tcp()
    with server(LIVE, listener):
        assert check("--admin", address.replace("127.0.0.1", "0.0.0.0")) == 0


def test_a_unix_socket_can_be_asked(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "admin"))
    listener.listen()
    with server(LIVE, listener):
        assert check("--admin", f"unix:{tmp_path}/admin") == 0
    assert check("--admin", f"unix:{tmp_path}/nowhere") == 1


def test_without_a_word_it_asks_where_a_sidecar_listens_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert check() == 1
    assert asked == [("127.0.0.1", int(Settings().admin.rpartition(":")[2]))]


def test_the_environment_says_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, address = tcp()
    monkeypatch.setenv("SIDECAR_ADMIN", address)
    with server(LIVE, listener):
        assert check() == 0


def test_the_file_says_the_address_where_nothing_else_does(tmp_path: Path) -> None:
    listener, address = tcp()
    file = tmp_path / "sidecar.yaml"
    file.write_text(f"admin: {address}\nauth: {{mode: off}}\n")
    with server(LIVE, listener):
        assert check("--config", str(file)) == 0


def test_an_address_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="nowhere"):
        check("--admin", "nowhere")
