import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.application import OK, Application, Request, Talk
from tests.functional.client import Address, Client, open_socket, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import (
    ROOT,
    SidecarProcess,
    free_port,
    run_command,
    wait_until,
)

BOTH_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
OFF = {"auth": {"mode": "off"}}


@pytest.fixture
def slow() -> Iterator["SlowApplication"]:
    application = SlowApplication()
    yield application
    application.may_answer.set()
    application.close()


class SlowApplication(Application):
    """Answers ``/slow`` when it may, and everything else at once."""

    def __init__(self) -> None:
        super().__init__()
        self.has_request = threading.Event()
        self.may_answer = threading.Event()
        self.answer = self.answer_when_allowed

    def answer_when_allowed(self, talk: Talk, request: Request) -> None:
        if request.target == b"/slow":
            self.has_request.set()
            assert self.may_answer.wait(60)
        talk.send(OK)


def is_refused(address: Address) -> bool:
    try:
        open_socket(address).close()
    except ConnectionRefusedError:
        return True
    return False


# --- the end ---------------------------------------------------------------------------------


@BOTH_SIGNALS
def test_a_signal_lets_what_is_in_flight_finish_and_ends_well(
    launch: Launch, slow: SlowApplication, number: signal.Signals
) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "100ms", "grace": "30s"}}, application=slow)
    with sidecar.connect() as client:
        client.send(request("/slow"))
        assert slow.has_request.wait(20)
        sidecar.signal(number)
        wait_until(lambda: is_refused(sidecar.inbound_address), "no new connection is accepted")
        assert not sidecar.has_ended
        slow.may_answer.set()
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"ok")
        assert answer.value("Connection") == b"close"
        assert client.rest() == b""

    assert sidecar.wait() == 0
    assert sidecar.log[-1]["message"] == "The sidecar has stopped."


@BOTH_SIGNALS
def test_while_it_drains_it_is_not_ready_and_still_serves(
    launch: Launch, slow: SlowApplication, number: signal.Signals
) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "60s", "grace": "60s"}}, application=slow)
    with sidecar.connect() as waiting:
        kept = waiting.exchange(request())
        assert kept.values("Connection") == []
        sidecar.signal(number)
        wait_until(lambda: sidecar.ready_status() == 503, "it is not ready any more")
        assert "draining" in sidecar.admin("/ready").json()["reasons"]
        assert sidecar.admin("/live").status == 200

        answer = waiting.exchange(request())
        assert (answer.status, answer.value("Connection")) == (200, b"close")
        assert waiting.rest() == b""
    for target in ("/new", "/version"):
        answer = sidecar.ask(request(target))
        assert (answer.status, answer.value("Connection")) == (200, b"close")
    assert not sidecar.has_ended

    sidecar.signal(number)  # the second one ends the drain
    assert sidecar.wait() == 0


def test_a_second_signal_cuts_what_is_in_flight(launch: Launch, slow: SlowApplication) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "0", "grace": "600s"}}, application=slow)
    with sidecar.connect() as client:
        client.send(request("/slow"))
        assert slow.has_request.wait(20)
        sidecar.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(sidecar.inbound_address), "no new connection is accepted")
        assert not sidecar.has_ended
        begin = time.monotonic()
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait() == 0
        assert time.monotonic() - begin < 10
        assert client.rest() == b""


def test_what_outlasts_the_grace_is_cut(launch: Launch, slow: SlowApplication) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "0", "grace": "200ms"}}, application=slow)
    with sidecar.connect() as client:
        client.send(request("/slow"))
        assert slow.has_request.wait(20)
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait() == 0
        assert client.rest() == b""
    assert any("grace" in line["message"] for line in sidecar.log)


def test_idle_connections_do_not_keep_it_from_ending(launch: Launch, slow: SlowApplication) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "0", "grace": "600s"}}, application=slow)
    with sidecar.connect() as used, sidecar.connect() as unused:
        used.exchange(request())
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait() == 0
        assert used.rest() == unused.rest() == b""


def test_an_upload_in_flight_finishes(launch: Launch, slow: SlowApplication) -> None:
    sidecar = launch(OFF | {"shutdown": {"drain": "0", "grace": "30s"}}, application=slow)

    def answer(talk: Talk, request: Request) -> None:
        slow.has_request.set()
        body = talk.read_body(request)
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    slow.answer = answer
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        assert slow.has_request.wait(20)
        sidecar.signal(signal.SIGTERM)
        wait_until(lambda: is_refused(sidecar.inbound_address), "no new connection is accepted")
        client.send(b"world")
        assert client.response("POST").body == b"helloworld"
    assert sidecar.wait() == 0


def test_a_unix_socket_is_taken_over_from_a_process_that_is_gone(
    launch: Launch, slow: SlowApplication, tmp_path: Path
) -> None:
    path = tmp_path / "in.sock"
    for _ in range(2):
        sidecar = launch(OFF | {"listen": f"unix:{path}"}, application=slow)
        with Client(str(path)) as client:
            assert client.exchange(request()).status == 200
        sidecar.stop()


# --- what keeps it from starting -------------------------------------------------------------


def complaints(sidecar: SidecarProcess) -> list[str]:
    """What it says to people when it cannot start, after it has ended as it should."""
    assert sidecar.wait() == 2, sidecar.stderr
    lines = sidecar.complaints
    assert all(line.startswith("sidecar: ") for line in lines), lines
    return lines


@pytest.fixture
def occupied() -> Iterator[list[str]]:
    """Two addresses at which somebody else listens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        yield ["{}:{}".format(*each.getsockname()) for each in (one, two)]


@pytest.mark.parametrize("name", ["listen", "admin"])
def test_a_port_in_use_is_one_clear_line(launch: Launch, occupied: list[str], name: str) -> None:
    (line,) = complaints(launch(OFF | {name: occupied[0]}, waits=False))

    assert f"{name}: {occupied[0]}: the address is in use" in line


def test_every_port_in_use_has_its_line(launch: Launch, occupied: list[str]) -> None:
    one, two = occupied
    lines = complaints(launch(OFF | {"listen": one, "admin": two}, waits=False))

    assert [line.split(":")[1].strip() for line in lines] == ["listen", "admin"]


def test_one_address_cannot_have_two_meanings(launch: Launch) -> None:
    address = f"127.0.0.1:{free_port()}"
    (line,) = complaints(launch(OFF | {"listen": address, "admin": address}, waits=False))

    assert f"admin: {address}" in line


def test_a_missing_keyring_is_one_clear_line(launch: Launch, tmp_path: Path) -> None:
    (line,) = complaints(launch({}, keyring=tmp_path / "nowhere", waits=False))

    assert str(tmp_path / "nowhere") in line
    assert "does not exist" in line


def test_an_empty_keyring_is_one_clear_line(launch: Launch, keyring: Path) -> None:
    (line,) = complaints(launch({}, keyring=keyring, waits=False))

    assert str(keyring) in line
    assert "no usable key" in line


def test_no_keyring_at_all_is_one_clear_line(launch: Launch) -> None:
    (line,) = complaints(launch({}, waits=False))

    assert "auth.keyring" in line or "No source of keys" in line


@pytest.mark.parametrize("name", ["signer.pem", "signer.key"])
def test_a_keyring_of_nothing_but_a_private_key_is_refused_loudly(
    launch: Launch, keyring: Path, signer: Signer, name: str
) -> None:
    (keyring / name).write_bytes(signer.private_pem)

    sidecar = launch({}, keyring=keyring, waits=False)

    (line,) = complaints(sidecar)
    assert "no usable key" in line
    loud = [each for each in sidecar.stderr.splitlines() if '"level": "error"' in each]
    assert any("private key" in each and name in each for each in loud)


def test_a_keyring_that_cannot_be_read_is_one_clear_line(
    launch: Launch, keyring: Path, signer: Signer
) -> None:
    path = signer.publish(keyring)
    path.unlink()
    path.mkdir(mode=stat.S_IRWXU)  # no permissions stop a test that runs as root

    (line,) = complaints(launch({}, keyring=path, waits=False))

    assert str(path) in line


def test_every_problem_of_the_configuration_is_a_line_of_its_own(launch: Launch) -> None:
    configuration = {
        "auth": {"mode": "maybe", "leeway": "soon", "kyring": []},
        "upstream": {"url": "https://a"},
        "colour": "blue",
    }
    lines = complaints(launch(configuration, waits=False))

    assert len(lines) == 5
    for path in ("auth.mode", "auth.leeway", "auth.kyring", "upstream.url", "colour"):
        assert sum(f"{path}:" in line for line in lines) == 1, lines


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--listen", "nonsense"], {}, "flag --listen"),
        (["--lisen", "127.0.0.1:0"], {}, "--lisen"),
        (["--upstream", "https://127.0.0.1"], {}, "flag --upstream"),
        (["stray"], {}, "stray"),
        ([], {"SIDECAR_LISEN": "127.0.0.1:0"}, "SIDECAR_LISTEN"),
        ([], {"SIDECAR_LEEWAY": "soon"}, "environment SIDECAR_LEEWAY"),
        (["--config", "/nowhere/sidecar.yaml"], {}, "/nowhere/sidecar.yaml"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_exit_code_2(
    arguments: list[str], environment: dict[str, str], named: str
) -> None:
    ended = run_command("run", "--auth", "off", *arguments, environment=environment)

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("sidecar: ")
    assert named in line


def test_a_file_that_is_no_yaml_is_a_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("listen: [\nadmin: }")

    ended = run_command("run", "--config", str(file))

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(file) in line


def test_flags_win_over_the_environment_and_that_over_the_file(
    launch: Launch, slow: SlowApplication
) -> None:
    sidecar = launch(
        OFF | {"service": "from-file", "log": {"access": "all"}},
        application=slow,
        flags=["--service", "from-flag"],
        environment={"SIDECAR_SERVICE": "from-environment", "SIDECAR_ACCESS_LOG": "off"},
    )

    shown = sidecar.admin("/config").json()
    assert shown["service"] == {"value": "from-flag", "origin": "flag --service"}
    assert shown["log.access"]["value"] == "off"
    assert sidecar.ask(request("/version")).json()["service"] == "from-flag"


def test_nothing_is_written_into_the_directory_it_runs_in(
    launch: Launch, slow: SlowApplication
) -> None:
    before = sorted(ROOT.iterdir())
    launch(OFF, application=slow).ask(request())

    assert sorted(ROOT.iterdir()) == before
