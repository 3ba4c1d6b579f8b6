"""``sidecar rotate`` where it is used wrongly, where nobody answers, and where it writes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click import unstyle

from sidecar.cli.main import run_command_line
from sidecar.cli.progress import say_meanwhile
from sidecar.cli.rotation import format_decision, format_step
from sidecar.keys.source import PathSource
from sidecar.rotation.gates import Answer, Decision
from sidecar.rotation.signers import Missing
from sidecar.rotation.steps import take_stock
from sidecar.tokens.generate import generate_pair
from tests.cli.listener import Listener
from tests.functional.sidecar_process import free_port
from tests.rotation.fleets import fleet, verifier

STATUS = ("rotate", "status")


class _Server(BaseHTTPRequestHandler):
    """Answers every question alike."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    seen: ClassVar[list[str]] = []
    is_over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        if self.body == b"SLOW":
            self.is_over.wait(30)
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[type[_Server]]:
    class Handler(_Server):
        seen: ClassVar[list[str]] = []
        is_over = threading.Event()
        url: ClassVar[str]

    listener = Listener(("127.0.0.1", 0), Handler)
    Handler.url = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Handler
    Handler.is_over.set()
    listener.shutdown()
    thread.join()
    listener.server_close()


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code, and the one line that explains it."""
    code = run_command_line(arguments)
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return code, error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say whom to ask"),
        (("--prometheus", "http://a", "--target", "http://b"), "not both"),
        (("--target", "http://b", "--match", "a=1"), "--match chooses"),
        (("--prometheus", "prometheus:9090"), "is not a URL"),
        (("--prometheus", "http://me:hunter2@a"), "has a user name or password"),
        (("--dns", "name:port"), "write NAME or NAME:PORT"),
        (("--target", "http://b", "--window", "long"), "long"),
        (("--prometheus", "http://a", "--window", "0"), "at least 1s"),
        (("--prometheus", "http://a", "--window", "999ms"), "at least 1s"),
        (("--target", "http://b", "--watched-since", "yesterday"), "yesterday"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = say(capsys, *STATUS, *arguments)
    assert code == 2
    assert words in said
    assert "hunter2" not in said


def test_only_retiring_can_be_without_proof(capsys: pytest.CaptureFixture[str]) -> None:
    gate = ("rotate", "gate", "switch", "--key", "a", "--target", "http://b")
    code, said = say(capsys, *gate, "--accept-unproven")
    assert code == 2
    assert "retire" in said


def test_a_prometheus_that_is_down_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, said = say(capsys, *STATUS, "--prometheus", url)
    assert code == 3
    assert said == f"sidecar: Prometheus at {url} cannot be reached: Connection refused.\n"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"", "give the URL under which its /api/v1/query is"),
        (500, b"", "answered with status 500"),
        (200, b"<html>", "does not answer as a Prometheus does; check the URL"),
        (200, b"[]", "does not answer as a Prometheus does"),
        (200, b'{"status":"success","data":{}}', "does not answer as a Prometheus does"),
        (200, b'{"status":"success","data":{"result":[0,"x"]}}', "does not answer as a Prom"),
        (200, b'{"status":"success","data":{},"warnings":["w"]}', "only in part"),
        (200, b'{"status":"success","isPartial":true,"data":{}}', "only in part"),
        (200, b'{"status":"success","data":{"result":[0,"NaN"]}}', "does not answer as a Prom"),
        (200, b'{"status":"success","data":{"result":[0,"1e999"]}}', "does not answer as a Prom"),
        (200, b"[" * 100_000, "does not answer as a Prometheus does"),
    ],
)
def test_what_is_no_prometheus_is_called_so(
    status: int,
    body: bytes,
    words: str,
    server: type[_Server],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.status, server.body = status, body
    code, said = say(capsys, *STATUS, "--prometheus", server.url)  # type: ignore[attr-defined]
    assert code == 3
    assert words in said


def test_a_prometheus_that_is_slow_is_not_waited_for_for_ever(
    server: type[_Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server.body = b"SLOW"
    url = server.url  # type: ignore[attr-defined]
    code, said = say(capsys, *STATUS, "--prometheus", url, "--timeout", "200ms")
    assert code == 3
    assert "did not answer in full within 0.2 s" in said


def test_the_bearer_token_comes_from_a_file_and_shows_nowhere(
    server: type[_Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "token"
    file.write_text("open-sesame\n")
    url = server.url  # type: ignore[attr-defined]
    code, said = say(capsys, *STATUS, "--prometheus", url, "--token-file", str(file))
    assert code == 3
    assert set(server.seen) == {"Bearer open-sesame"}
    assert "sesame" not in said

    file.write_text("open sesame")
    code, said = say(capsys, *STATUS, "--prometheus", url, "--token-file", str(file))
    assert code == 2
    assert "holds no bearer token" in said
    assert "sesame" not in said


@pytest.mark.parametrize("body", [b"", b"<html>", b"metric 1\n", b"\xff\xfe", b'x{a="b 1\n'])
def test_a_target_that_is_no_sidecar_is_called_so(
    body: bytes, server: type[_Server], capsys: pytest.CaptureFixture[str]
) -> None:
    server.body = body
    code, said = say(capsys, *STATUS, "--target", server.url)  # type: ignore[attr-defined]
    assert code == 3
    assert "No sidecar answered" in said


def test_a_name_that_cannot_be_resolved_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = say(capsys, *STATUS, "--dns", "no-such-name.invalid:15020")
    assert code == 3
    assert "no-such-name.invalid of --dns cannot be resolved" in said


# --- switched --------------------------------------------------------------------------------


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    directory = tmp_path / "keyring"
    directory.mkdir()
    (directory / "2026-11.pub").write_bytes(generate_pair("ES256").public_pem)
    return directory


def switched(ring: Path, *more: str) -> int:
    return run_command_line(["rotate", "switched", "--key", "2026-11", "--dir", str(ring), *more])


def test_the_statement_is_written_beside_the_key_and_read_from_there(
    ring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert switched(ring, "--at", "2026-11-23T11:00:00+01:00") == 0
    assert (ring / "2026-11.since").read_text() == "2026-11-23T10:00:00Z\n"
    assert "all signers use 2026-11 from 2026-11-23T10:00:00Z on" in capsys.readouterr().out

    statements = PathSource(ring).load().statements
    assert statements == {"2026-11": datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp()}
    assert sorted(path.name for path in ring.iterdir()) == ["2026-11.pub", "2026-11.since"]


def test_a_statement_about_the_future_is_called_a_plan_and_the_old_one_is_told(
    ring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    switched(ring, "--at", "2026-11-23T10:00:00Z")
    capsys.readouterr()
    assert switched(ring, "--at", "2096-01-01T00:00:00Z") == 0
    said = capsys.readouterr().out
    assert "are going to use" in said
    assert "before: 2026-11-23T10:00:00Z" in said


def test_a_statement_about_a_key_that_is_not_there_is_refused(
    ring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = say(capsys, "rotate", "switched", "--key", "../2026-12", "--dir", str(ring))
    assert code == 2
    assert "keys in it: 2026-11" in said
    assert list(ring.glob("*.since")) == []


def test_a_step_is_no_wider_than_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.cli.rotation.terminal_width", lambda: 40)
    for step in take_stock(fleet(verifier(), verifier("t-1")), "young"):
        assert max(len(unstyle(line)) for line in format_step(step)) <= 40


def test_what_others_call_themselves_does_not_move_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wild = "k\x1b[2J\r"
    decision = Decision(Answer.NO, f"{wild} is held.", (Missing(wild, f"holds {wild}"),))
    shown = format_decision("retire", wild, decision, [f"{wild} is silent."])
    assert "\x1b[2J" not in shown
    assert "\r" not in shown
    say_meanwhile(f"sidecar: no: {decision.why}")
    assert capsys.readouterr().err == "sidecar: no: k?[2J? is held.\n"
