"""Limits and time-outs: the answer of the contract, promptly, and nothing else suffers."""

import contextlib
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import Application, Request, Talk
from tests.functional.client import PATIENCE_S, Client, request
from tests.functional.conftest import Launch
from tests.functional.hostile import Beside, is_healthy, many_clients, naming_its_target
from tests.functional.sidecar_process import COMMAND, SidecarProcess, wait_until

SHORT_S = 0.4


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {"mode": "off"},
        "log": {"access": "off"},
        "limits": {"header_bytes": 4096, "headers": 20, "body_bytes": 1000},
        "timeouts": {"header": f"{SHORT_S}s", "idle": f"{SHORT_S}s", "body_idle": f"{SHORT_S}s"},
    }


@pytest.fixture(autouse=True)
def telling_application(application: Application) -> None:
    application.answer = naming_its_target


def chunked_post(*pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def drip(client: Client, piece: bytes, pause_s: float) -> None:
    """Send the piece again and again until the sidecar hangs up."""
    end = time.monotonic() + 20
    try:
        while time.monotonic() < end:
            client.send(piece)
            time.sleep(pause_s)
    except OSError:
        return
    raise AssertionError("the sidecar would have listened for ever")


# --- heads ---


def test_a_head_that_is_sent_byte_by_byte_too_slowly_gets_408(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        slowly = Beside(lambda: drip(client, b"x", 0.02))
        answer = client.response()
        assert (answer.status, answer.problem_reason) == (408, "header_timeout")
        assert answer.values("Connection") == [b"close"]
        assert client.rest() == b""
        slowly.join()
    assert application.requests == []


def test_a_head_that_stops_in_the_middle_gets_408(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        client.send(b"G")
        assert client.response().status == 408
        assert client.rest() == b""


def test_a_second_head_has_as_long_as_the_first(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        assert client.exchange(request("/1")).body == b"/1 "
        client.send(b"GET / HT")
        assert client.response().status == 408


def test_empty_lines_do_not_keep_a_connection_open(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        slowly = Beside(lambda: drip(client, b"\r\n", 0.02))
        assert client.response().status in (400, 408)
        assert client.rest() == b""
        slowly.join()


def test_a_connection_that_says_nothing_is_closed_quietly(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        assert client.rest() == b""
    with sidecar.connect() as client:
        client.exchange(request("/1"))
        assert client.rest() == b""


def test_a_connection_that_is_in_use_outlives_the_idle_time(sidecar: SidecarProcess) -> None:
    begin = time.monotonic()
    with sidecar.connect() as client:
        while time.monotonic() - begin < 3 * SHORT_S:
            assert client.exchange(request("/1")).status == 200
            time.sleep(SHORT_S / 8)


@pytest.mark.parametrize("ends", [True, False], ids=["complete", "endless"])
def test_a_head_beyond_the_limit_gets_431(
    sidecar: SidecarProcess, application: Application, ends: bool
) -> None:
    with sidecar.connect() as client:
        tail = b"\r\n\r\n" if ends else b""
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5000 + tail)
        answer = client.response()
        assert (answer.status, answer.problem_reason) == (431, "headers_too_large")
        assert client.rest() == b""
    assert application.requests == []


def test_a_head_of_just_the_allowed_size_passes_and_one_byte_more_does_not(
    sidecar: SidecarProcess,
) -> None:
    def head_of(size: int) -> bytes:
        start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
        return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"

    assert sidecar.ask(head_of(4096)).status == 200
    assert sidecar.ask(head_of(4097)).status == 431


def test_as_many_fields_as_allowed_pass_and_one_more_does_not(sidecar: SidecarProcess) -> None:
    assert sidecar.ask(request("/", *["A: b"] * 19)).status == 200
    answer = sidecar.ask(request("/", *["A: b"] * 20))
    assert (answer.status, answer.problem_reason) == (431, "headers_too_large")


# --- bodies ---


def test_a_body_of_just_the_allowed_size_passes(
    sidecar: SidecarProcess, application: Application
) -> None:
    body = b"x" * 1000
    assert sidecar.ask(request("/a", method="POST", body=body)).body == b"/a " + body
    answer = sidecar.ask(chunked_post(body[:500], body[500:]) + b"0\r\n\r\n")
    assert answer.body == b"/a " + body


def test_a_length_beyond_the_limit_gets_413_before_the_body_is_sent(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        answer = client.response("POST")
        assert (answer.status, answer.problem_reason) == (413, "body_too_large")
        assert answer.values("Connection") == [b"close"]
        assert client.rest() == b""
    assert application.requests == []


def test_chunks_beyond_the_limit_get_413_before_they_end(
    sidecar: SidecarProcess, application: Application
) -> None:
    complete: list[bytes] = []
    application.answer = lambda talk, received: complete.append(talk.read_body(received))
    with sidecar.connect() as client:
        client.send(chunked_post(b"x" * 600))
        client.send(b"191\r\n" + b"x" * 401 + b"\r\n")
        answer = client.response("POST")
        assert (answer.status, answer.problem_reason) == (413, "body_too_large")
        assert client.rest() == b""
    application.answer = naming_its_target
    assert is_healthy(sidecar)
    assert complete == []


def test_a_client_that_sends_on_after_413_still_reads_it(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"
        client.send(head + b"x" * 1_000_000)
        assert client.response("POST").status == 413


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nfour",
        chunked_post(b"four"),
        chunked_post(b"four") + b"9;a",
        chunked_post(b"four") + b"9\r\nfour",
        chunked_post(b"four") + b"0\r\nTrail: ",
    ],
    ids=["length", "between chunks", "in a size", "in a chunk", "in a trailer"],
)
def test_a_body_that_stops_in_the_middle_gets_408(
    sidecar: SidecarProcess, application: Application, raw: bytes
) -> None:
    complete: list[bytes] = []
    application.answer = lambda talk, received: complete.append(talk.read_body(received))
    with sidecar.connect() as client:
        client.send(raw)
        answer = client.response("POST")
        assert (answer.status, answer.problem_reason) == (408, "body_timeout")
        assert answer.values("Connection") == [b"close"]
        assert client.rest() == b""
    application.answer = naming_its_target
    assert is_healthy(sidecar)
    assert complete == []


def test_a_slow_body_that_makes_progress_is_not_too_slow(sidecar: SidecarProcess) -> None:
    with sidecar.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(SHORT_S / 4)
            client.send(b"x")
        assert client.response("POST").body == b"/a " + b"x" * 12


def test_a_client_that_reads_nothing_is_dropped(
    sidecar: SidecarProcess, application: Application
) -> None:
    size = 50_000_000

    def answer_much(talk: Talk, _: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        talk.send(bytes(size))

    application.answer = answer_much
    with sidecar.connect() as client:
        client.send(request("/much"))
        wait_until(lambda: open_connections(sidecar) == 1, "it is served")
        wait_until(lambda: open_connections(sidecar) == 0, "it is dropped")
        assert len(client.rest()) < size
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def open_connections(sidecar: SidecarProcess) -> float:
    return sidecar.metrics().value("sidecar_connections_open")


@pytest.mark.parametrize("fields", [(), ("Connection: close",)], ids=["idle", "closing"])
def test_an_answer_that_nobody_takes_does_not_hold_a_connection_for_ever(
    sidecar: SidecarProcess, application: Application, fields: tuple[str, ...]
) -> None:
    # Little enough to fit into the buffers of the program, too much for those of the kernel.
    size = 20_000

    def answer_some(talk: Talk, _: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    application.answer = answer_some
    with many_clients(sidecar, 1) as clients:
        client = clients[0]
        # Fill what the kernel takes, by answers that are not read.
        client.socket.settimeout(SHORT_S)
        for _ in range(400):
            client.send(request("/some"))
        client.send(request("/some", *fields))
        wait_until(lambda: open_connections(sidecar) == 0, "it is dropped")
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_tiny_chunks_cost_a_bounded_amount_of_memory(
    launch: Launch, application: Application
) -> None:
    """They come faster than they can be looked at."""
    sidecar = launch({"auth": {"mode": "off"}}, application=application)
    assert is_healthy(sidecar)
    before = sidecar.peak_memory_bytes()
    with sidecar.connect() as client:
        client.send(chunked_post())
        client.send(b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n")
        assert len(client.response("POST").body) == 1_000_003
    # The application gives the whole body back, and both bodies wait in streams for a moment.
    assert sidecar.peak_memory_bytes() - before < 12 << 20


# --- as many as there may be ---


def test_connections_beyond_the_limit_get_503_and_those_within_are_served(
    launch: Launch, application: Application
) -> None:
    sidecar = launch(
        {"auth": {"mode": "off"}, "limits": {"connections": 3}}, application=application
    )
    with many_clients(sidecar, 3) as good:
        for client in good:
            assert client.exchange(request("/1")).status == 200
        for _ in range(10):
            with sidecar.connect() as refused:
                answer = refused.response()
                assert (answer.status, answer.problem_reason) == (503, "over_limit")
                assert answer.value("Retry-After") == b"1"
                assert refused.rest() == b""
        for client in good:
            assert client.exchange(request("/2")).body == b"/2 "
    wait_until(lambda: sidecar.ask(request("/3")).status == 200, "there is room again")


def with_open_files(limit: str) -> tuple[str, ...]:
    """The program, started with limits of open files that are options of ``ulimit``."""
    return ("sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *COMMAND)


def test_the_soft_limit_of_open_files_does_not_lower_that_of_connections(
    launch: Launch, application: Application
) -> None:
    sidecar = launch(
        {"auth": {"mode": "off"}, "limits": {"connections": 100}},
        application=application,
        command=with_open_files("-Sn 48"),
    )
    with many_clients(sidecar, 100) as good:
        for client in good:
            assert client.exchange(request("/1")).status == 200
        with sidecar.connect() as refused:
            assert refused.response().problem_reason == "over_limit"
        assert sidecar.admin("/live").status == 200
    assert "open fewer files" not in sidecar.stderr


def test_a_hard_limit_of_open_files_that_is_too_low_is_told(
    launch: Launch, application: Application
) -> None:
    sidecar = launch(
        {"auth": {"mode": "off"}, "limits": {"connections": 100}},
        application=application,
        command=with_open_files("-n 64"),
    )
    (line,) = [line for line in sidecar.log if "open fewer files" in line["message"]]
    assert (line["level"], line["allowed"], line["needed"]) == ("warning", 64, 100 + 512 + 256)
    assert is_healthy(sidecar)


def test_the_kernel_finds_out_whether_a_silent_client_is_gone(
    sidecar: SidecarProcess, application: Application
) -> None:
    """One that vanished in a tunnel, or waiting for an event, would stay for ever."""
    asked = threading.Event()

    def answer_late(talk: Talk, received: Request) -> None:
        asked.set()

    application.answer = answer_late
    with sidecar.connect() as client:
        client.send(request("/events"))
        assert asked.wait(PATIENCE_S)
        assert kernel_timer(sidecar, client) == KEEP_ALIVE


#: What ``/proc/net/tcp`` says of a connection with a timer that sends nothing of ours again.
KEEP_ALIVE = "02"


def kernel_timer(sidecar: SidecarProcess, client: Client) -> str:
    """The kind of the timer that runs for the sidecar's end of a connection."""
    ours, theirs = sidecar.inbound_address[1], client.socket.getsockname()[1]
    for line in Path(f"/proc/{sidecar.pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, _, timer, *_ = line.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == (ours, theirs):
            return timer.partition(":")[0]
    raise AssertionError("there is no such connection")


#: The program, on whose admin port a connection may do nothing for half a second.
HURRIED = (
    sys.executable,
    "-c",
    "import sidecar.app.lifecycle as lifecycle; lifecycle.ADMIN_IDLE_S = 0.5;"
    "import sidecar.cli.main as program; program.main()",
)


@pytest.mark.parametrize(
    "raw", [b"", b"GET /live HTTP/1.1\r\nHo", b"GET /live HTTP/1.1\r\nHost: a\r\n\r\nGET"]
)
def test_a_connection_to_the_admin_port_that_asks_for_nothing_is_closed(
    raw: bytes, launch: Launch
) -> None:
    sidecar = launch({"auth": {"mode": "off"}}, command=HURRIED)
    with Client(sidecar.admin_address) as idle:
        idle.send(raw)
        assert idle.rest().count(b"HTTP/1.1 200 OK") == raw.count(b"\r\n\r\n")
    assert sidecar.admin("/live").status == 200


def test_refused_connections_that_stay_do_not_take_the_room_of_others(
    launch: Launch, application: Application
) -> None:
    sidecar = launch(
        {"auth": {"mode": "off"}, "limits": {"connections": 2}}, application=application
    )
    with many_clients(sidecar, 2) as good:
        for client in good:
            assert client.exchange(request("/1")).status == 200
        with many_clients(sidecar, 20) as refused:
            for client in refused:
                assert client.response().status == 503
            for client in good:
                client.socket.close()
            taken_s = wait_until(lambda: sidecar.ask(request("/2")).status == 200, "it has room")
            # The refused ones are listened to for two seconds: they must not be waited for.
            assert taken_s < 1.5


def test_requests_beyond_the_limit_get_503_and_those_within_are_served(
    launch: Launch, application: Application
) -> None:
    sidecar = launch({"auth": {"mode": "off"}, "limits": {"in_flight": 2}}, application=application)
    held: list[tuple[Talk, Request]] = []

    def hold_the_slow(talk: Talk, received: Request) -> None:
        if received.target == b"/slow":
            held.append((talk, received))
        else:
            naming_its_target(talk, received)

    application.answer = hold_the_slow
    with many_clients(sidecar, 2) as slow:
        for client in slow:
            client.send(request("/slow"))
        wait_until(lambda: len(held) == 2, "both are in flight")
        answer = sidecar.ask(request("/third"))
        assert (answer.status, answer.problem_reason) == (503, "over_limit")
        assert answer.value("Retry-After") == b"1"
        for talk, received in held:
            naming_its_target(talk, received)
        for client in slow:
            assert client.response().body == b"/slow "
    assert sidecar.ask(request("/fourth")).body == b"/fourth "


def test_connections_to_the_application_beyond_the_limit_are_waited_for(
    launch: Launch, application: Application
) -> None:
    sidecar = launch(
        {"auth": {"mode": "off"}, "upstream": {"max_connections": 1, "connect_timeout": "0.5s"}},
        application=application,
    )
    held: list[tuple[Talk, Request]] = []
    application.answer = lambda talk, received: held.append((talk, received))
    with many_clients(sidecar, 3) as clients:
        clients[0].send(request("/1"))
        wait_until(lambda: len(held) == 1, "the first is with the application")
        for number in (1, 2):
            clients[number].send(request(f"/{number + 1}"))
        assert clients[1].response().problem_reason == "upstream_busy"
        assert clients[2].response().value("Retry-After") == b"1"
        application.answer = naming_its_target
        waiting = Beside(lambda: naming_its_target(*held[0]))
        assert clients[0].response().body == b"/1 "
        waiting.join()
    assert is_healthy(sidecar)


def test_a_burst_of_new_connections_finds_room_in_the_queue(sidecar: SidecarProcess) -> None:
    """Where the kernel's queue is short, it drops some, and they come back a second later."""
    count = min(500, int(Path("/proc/sys/net/core/somaxconn").read_text()) // 2)
    with contextlib.ExitStack() as stack:
        sidecar.signal(signal.SIGSTOP)
        try:
            for _ in range(count):
                stack.enter_context(sidecar.connect())
        finally:
            sidecar.signal(signal.SIGCONT)
    assert is_healthy(sidecar)


# --- and all of it beside others ---


def test_whoever_breaks_the_limits_does_not_disturb_the_others(sidecar: SidecarProcess) -> None:
    hostile = [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        b"X" * 6000,
        b"",
    ]
    with many_clients(sidecar, 50) as clients:
        for number, client in enumerate(clients):
            client.send(hostile[number % len(hostile)])
        for number in range(200):
            assert is_healthy(sidecar, f"/{number}")
