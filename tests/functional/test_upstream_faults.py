"""An application that breaks HTTP, breaks off, is slow, or is gone.

The client gets 502, 503 or 504, or sees that the answer is cut; never a wrong answer that looks
complete, and never anything of it in the answer to the next request.
"""

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.application import OK, Answer, Application, Request, Talk, answering
from tests.functional.client import Truncated, request
from tests.functional.conftest import Launch
from tests.functional.hostile import (
    Beside,
    closing,
    is_healthy,
    keeping,
    many_clients,
    naming_its_target,
    once,
    reset,
    resetting,
)
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

SHORT_S = 0.6


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {"mode": "off"},
        "log": {"access": "all"},
        "upstream": {"response_timeout": f"{SHORT_S}s"},
    }


@pytest.fixture(autouse=True)
def telling_application(application: Application) -> Iterator[None]:
    application.answer = naming_its_target
    yield
    application.answer = naming_its_target


# --- answers that break HTTP (RFC 9112, sections 4 to 7) ---

SPLIT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"

MALFORMED_HEADS = {
    "garbage": b"garbage\r\n\r\n",
    "no HTTP at all": b"<html>hello</html>\r\n\r\n",
    "HTTP/0.9": b"hello\n",
    "binary": bytes(range(256)) + b"\r\n\r\n",
    "an SSH server": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "bare LF in a value": b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nwrong!",
    "two equal lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nwrong",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nwrong",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nwrong",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nwrong",
    "length and coding": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nwrong",
    "coding twice": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n"
    ),
    "a coding in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a head that is too large": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "101 that nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + SPLIT
    ),
    "endless interim answers": b"HTTP/1.1 103 Early\r\n\r\n" * 5000,
    "an error in a second head": b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 2000 OK\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED_HEADS)
def test_a_head_that_breaks_http_gets_502_and_taints_nothing(
    sidecar: SidecarProcess, application: Application, case: str
) -> None:
    application.answer = once(keeping(MALFORMED_HEADS[case]))
    with sidecar.connect() as client:
        answer = client.exchange(request("/broken"))
        assert (answer.status, answer.problem_reason) == (502, "upstream_malformed")
    for number in range(3):
        assert is_healthy(sidecar, f"/{number}")


LENGTH_9 = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"

#: The head, what follows, and what the application does then.
CUT_BODIES = {
    "shorter than its length": (LENGTH_9, b"four", closing),
    "reset within its length": (LENGTH_9, b"four", resetting),
    "closed between chunks": (IN_CHUNKS, b"4\r\nfour\r\n", closing),
    "closed in a chunk": (IN_CHUNKS, b"9\r\nfour", closing),
    "closed before the last CRLF": (IN_CHUNKS, b"4\r\nfour\r\n0\r\n", closing),
    "reset between chunks": (IN_CHUNKS, b"4\r\nfour\r\n", resetting),
    "a bad size after a good chunk": (IN_CHUNKS, b"4\r\nfour\r\nx\r\n", keeping),
    "a chunk longer than it says": (IN_CHUNKS, b"4\r\nfour!\r\n0\r\n\r\n", keeping),
    "a size beyond 64 bits": (IN_CHUNKS, b"4\r\nfour\r\n10000000000000004\r\n", keeping),
    "a bare LF after a chunk": (IN_CHUNKS, b"4\r\nfour\n0\r\n\r\n", keeping),
    "an answer instead of a chunk": (IN_CHUNKS, b"4\r\nfour\r\n" + SPLIT, keeping),
    "a trailer that is none": (IN_CHUNKS, b"4\r\nfour\r\n0\r\nX : y\r\n\r\n", keeping),
    "reset without a length": (UNTIL_CLOSE, b"four", resetting),
}


@pytest.mark.parametrize("minor", ["1.1", "1.0"])
@pytest.mark.parametrize("case", CUT_BODIES)
def test_a_body_that_breaks_off_never_looks_complete(
    sidecar: SidecarProcess, application: Application, case: str, minor: str
) -> None:
    head, rest, end = CUT_BODIES[case]
    has_head = threading.Event()

    def break_off(talk: Talk, received: Request) -> None:
        talk.send(head)
        assert has_head.wait(20)
        end(rest)(talk, received)

    application.answer = once(break_off)
    with sidecar.connect() as client:
        client.send(f"GET /broken HTTP/{minor}\r\nHost: a\r\n\r\n".encode())
        client.socket.recv(1, socket.MSG_PEEK)
        has_head.set()
        with pytest.raises(Truncated):
            client.response()
    for number in range(3):
        assert is_healthy(sidecar, f"/{number}")


@pytest.mark.parametrize("case", CUT_BODIES)
def test_an_answer_that_comes_at_once_and_breaks_off_never_looks_complete(
    sidecar: SidecarProcess, application: Application, case: str
) -> None:
    head, rest, end = CUT_BODIES[case]
    application.answer = once(end(head + rest))
    with contextlib.suppress(Truncated):
        assert sidecar.ask(request("/broken")).status == 502
    assert is_healthy(sidecar)


EXTRA_BYTES = {
    "after a length": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour",
    "after the last chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("gap_s", [0, 0.1], ids=["at once", "later"])
@pytest.mark.parametrize("case", EXTRA_BYTES)
def test_what_comes_after_an_answer_is_never_the_next_answer(
    sidecar: SidecarProcess, application: Application, case: str, gap_s: float
) -> None:
    def say_too_much(talk: Talk, _: Request) -> None:
        if gap_s:
            talk.send(EXTRA_BYTES[case])
            time.sleep(gap_s)
            talk.send(SPLIT)
        else:
            talk.send(EXTRA_BYTES[case] + SPLIT)

    application.answer = once(say_too_much)
    with sidecar.connect() as client:
        answer = client.exchange(request("/first"))
        assert (answer.status, answer.body) == (200, b"four")
        time.sleep(gap_s * 1.5)
        for number in range(5):
            assert client.exchange(request(f"/{number}")).body == f"/{number} ".encode()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
def test_a_body_where_none_belongs_is_never_the_next_answer(
    sidecar: SidecarProcess, application: Application, status: str
) -> None:
    method = "HEAD" if status == "200 OK" else "GET"
    bodyful = f"HTTP/1.1 {status}\r\nContent-Length: {len(SPLIT)}\r\n\r\n".encode() + SPLIT
    application.answer = once(keeping(bodyful))
    with sidecar.connect() as client:
        answer = client.exchange(request("/first", method=method))
        assert (answer.status, answer.body) == (int(status[:3]), b"")
        for number in range(3):
            assert client.exchange(request(f"/{number}")).body == f"/{number} ".encode()


# --- the end of a connection before, in and after an answer ---


@pytest.mark.parametrize(
    "answer",
    [
        closing(b""),
        resetting(b""),
        closing(b"HTTP/1.1 200 O"),
        resetting(b"HTTP/1.1 200 OK\r\nX: "),
    ],
    ids=["closed before the head", "reset before it", "closed in the head", "reset in the head"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_application_that_ends_before_its_answer_gets_502(
    sidecar: SidecarProcess, application: Application, answer: Answer, method: str
) -> None:
    application.answer = answer
    refused = sidecar.ask(request("/broken", method=method))
    assert (refused.status, refused.problem_reason) == (502, "upstream_broke_off")
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_a_fault_is_counted_and_logged_under_its_reason(
    sidecar: SidecarProcess, application: Application
) -> None:
    def errors() -> float:
        return sidecar.metrics().value("sidecar_upstream_errors_total", reason="upstream_malformed")

    before = errors()
    application.answer = keeping(b"garbage\r\n\r\n")
    identity = sidecar.ask(request("/broken")).json()["request_id"]
    assert errors() == before + 1
    lines = [line for line in sidecar.access_log if line["request_id"] == identity]
    assert [(line["status"], line["reason"]) for line in lines] == [(502, "upstream_malformed")]


# --- connections that went stale ---


def test_a_request_over_a_connection_that_the_application_has_closed_is_sent_again(
    sidecar: SidecarProcess, application: Application
) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert is_healthy(sidecar)
        application.answer = once(resetting(b""))
        answer = sidecar.ask(request("/again", method=method))
        assert answer.status == 200
        application.answer = naming_its_target


def test_a_request_with_side_effects_is_never_sent_twice(
    sidecar: SidecarProcess, application: Application
) -> None:
    for method in ("POST", "PATCH", "LOCK"):
        assert is_healthy(sidecar)
        application.requests.clear()
        application.answer = once(resetting(b""))
        answer = sidecar.ask(request("/once", method=method))
        assert (answer.status, answer.problem_reason) == (502, "upstream_broke_off")
        assert [received.target for received in application.requests] == [b"/once"]
        application.answer = naming_its_target


def test_a_request_is_not_sent_again_once_anything_of_an_answer_came(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert is_healthy(sidecar)
    application.requests.clear()
    application.answer = once(resetting(b"H"))
    assert sidecar.ask(request("/once")).status == 502
    assert [received.target for received in application.requests] == [b"/once"]


def test_a_retry_goes_over_a_new_connection(
    sidecar: SidecarProcess, application: Application
) -> None:
    held: list[Talk] = []

    def hold(talk: Talk, received: Request) -> None:
        held.append(talk)
        wait_until(lambda: len(held) == 4, "all are in use")
        naming_its_target(talk, received)

    application.answer = hold
    with many_clients(sidecar, 4) as clients:
        for client in clients:
            client.send(request("/warm"))
        for client in clients:
            assert client.response().status == 200
    # Now four connections wait, and each of them dies of its next request.

    def die_if_used(talk: Talk, received: Request) -> None:
        if talk in held:
            talk.reset()
        else:
            naming_its_target(talk, received)

    application.answer = die_if_used
    for number in range(4):
        answer = sidecar.ask(request(f"/{number}"))
        assert (answer.status, answer.body) == (200, f"/{number} ".encode())


def test_an_application_that_dies_of_each_request_gets_each_of_them_twice_at_most(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert is_healthy(sidecar)
    application.requests.clear()
    application.answer = resetting(b"")
    answer = sidecar.ask(request("/deadly"))
    assert (answer.status, answer.problem_reason) == (502, "upstream_broke_off")
    assert len(application.requests) <= 2


def test_a_body_that_comes_later_is_sent_over_the_second_connection_too(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert is_healthy(sidecar)
    application.requests.clear()
    application.answer = once(resetting(b""))
    with sidecar.connect() as client:
        client.send(b"PUT /later HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        wait_until(lambda: len(application.requests) == 2, "it was sent again")
        client.send(b"four")
        assert client.response("PUT").body == b"/later four"


def test_a_connection_that_the_application_closes_in_silence_is_not_used_again(
    sidecar: SidecarProcess, application: Application
) -> None:
    for _ in range(5):
        assert is_healthy(sidecar)
        for talk in application.talks:
            if not talk.is_closed:
                talk.close()
        application.requests.clear()
        assert sidecar.ask(request("/a", method="POST", body=b"x")).body == b"/a x"
        assert len(application.requests) == 1


# --- an application that is slow ---


def test_an_application_that_does_not_answer_gets_504(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = keeping(b"")
    answer = sidecar.ask(request("/slow"))
    assert (answer.status, answer.problem_reason) == (504, "upstream_timeout")
    application.answer = keeping(b"HTTP/1.1 200 OK\r\nContent-Le")
    assert sidecar.ask(request("/slow")).status == 504
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_interim_answers_do_not_put_off_the_end_of_patience(
    sidecar: SidecarProcess, application: Application
) -> None:
    def promise(talk: Talk, _: Request) -> None:
        for _turn in range(2000):
            talk.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            time.sleep(0.1)

    application.answer = promise
    assert sidecar.ask(request("/slow")).status in (502, 504)


def test_an_upload_that_takes_longer_than_an_answer_may_is_not_cut(
    sidecar: SidecarProcess, application: Application
) -> None:
    with sidecar.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(SHORT_S / 6)
            client.send(b"x")
        answer = client.response("POST")
        assert (answer.status, answer.body) == (200, b"/a " + b"x" * 12)


def test_an_answer_that_takes_longer_than_its_head_may_is_not_cut(
    sidecar: SidecarProcess, application: Application
) -> None:
    def answer_slowly(talk: Talk, _: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        for _turn in range(12):
            time.sleep(SHORT_S / 6)
            talk.send(b"x")

    application.answer = answer_slowly
    assert sidecar.ask(request("/a")).body == b"x" * 12


def test_an_application_that_takes_no_body_gets_504(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = keeping(b"")
    with sidecar.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        client.socket.settimeout(0.2)
        try:
            while True:
                client.send(bytes(1 << 20))
        except OSError:
            client.socket.settimeout(20)
        assert client.response("POST").status == 504


# --- clients that leave ---


def is_gone(talk: Talk) -> bool:
    """Whether the sidecar has closed this connection."""
    try:
        return talk.socket.recv(1 << 16) == b""
    except (ConnectionError, OSError):
        return True


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["before the head", "in the body", "while it sends"])
def test_a_client_that_leaves_takes_its_request_with_it(
    sidecar: SidecarProcess, application: Application, how: str, when: str
) -> None:
    gone = threading.Event()
    begun = threading.Event()

    def wait_for_the_end(talk: Talk, _: Request) -> None:
        if when == "in the body":
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        begun.set()
        while not is_gone(talk):
            pass
        gone.set()

    application.answer = wait_for_the_end
    client = sidecar.connect()
    if when == "while it sends":
        client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart")
    else:
        client.send(request("/a"))
    assert begun.wait(20)
    if when == "in the body":
        assert client.socket.recv(1)
    if how == "close":
        client.socket.close()
    else:
        reset(client)
    # At once, long before any time-out.
    assert gone.wait(SHORT_S / 2 if how == "reset" else 20)
    application.answer = naming_its_target
    assert is_healthy(sidecar)


def test_an_answer_that_a_client_left_unread_does_not_hold_up_the_next_one(
    sidecar: SidecarProcess, application: Application
) -> None:
    """Of every size, so that some end just where everything between the two sides is full."""
    sent = threading.Event()
    size = 0

    def answer_much(talk: Talk, _: Request) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        sent.set()

    for size in range(200_000, 8_000_000, 200_000):
        application.answer = answer_much
        sent.clear()
        client = sidecar.connect()
        client.send(request("/much"))
        is_all_on_its_way = sent.wait(0.1)
        client.socket.close()
        application.answer = naming_its_target
        assert is_healthy(sidecar), size
        if not is_all_on_its_way:
            break  # more than all buffers hold: a larger one is no other case


# --- an application that is not there ---


def test_an_application_that_starts_late_is_served_within_a_second(launch: Launch) -> None:
    application = Application()
    application.answer = naming_its_target
    try:
        application.stop_listening()
        sidecar = launch({"auth": {"mode": "off"}}, application=application)
        for _ in range(3):
            answer = sidecar.ask(request("/early"))
            assert (answer.status, answer.problem_reason) == (503, "upstream_refused")
            assert int(answer.value("Retry-After")) >= 1
        application.listen()
        taken_s = wait_until(lambda: sidecar.ask(request("/a")).status == 200, "it is served")
        assert taken_s < 1
    finally:
        application.close()


def test_one_that_does_not_accept_gets_504_in_the_time_to_connect(launch: Launch) -> None:
    with socket.socket() as deaf:
        # Nobody accepts, and the kernel's queue is full, so nobody can connect.
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        fillers = []
        try:
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            sidecar = launch(
                {
                    "auth": {"mode": "off"},
                    "upstream": {
                        "url": f"http://127.0.0.1:{address[1]}",
                        "connect_timeout": "0.3s",
                    },
                }
            )
            answer = sidecar.ask(request("/a"))
            assert (answer.status, answer.problem_reason) == (504, "upstream_timeout")
        finally:
            for filler in fillers:
                filler.close()


VICTIM = """
import http.server, sys
class Victim(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (self.path + "#").encode() * 2000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half]); self.wfile.flush()
        self.wfile.write(body[half:])
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    request_queue_size = 256
Server(("127.0.0.1", int(sys.argv[1])), Victim).serve_forever()
"""


def test_an_application_that_is_killed_under_load_is_never_answered_for_wrongly(
    launch: Launch,
) -> None:
    port = free_port()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(port)], stderr=subprocess.DEVNULL
        )

    victim = start()
    try:
        sidecar = launch({"auth": {"mode": "off"}, "upstream": {"url": f"http://127.0.0.1:{port}"}})
        wait_until(lambda: sidecar.ask(request("/up")).status == 200, "the application is up")
        outcomes: list[str] = []
        is_over = threading.Event()

        def load(worker: int) -> None:
            for number in itertools.count():
                if is_over.is_set():
                    return
                target = f"/{worker}/{number}"
                try:
                    answer = sidecar.ask(request(target))
                except Truncated:
                    outcomes.append("truncated")
                    continue
                if answer.status == 200:
                    assert answer.body == (target + "#").encode() * 2000
                else:
                    assert answer.status in (502, 503), answer
                outcomes.append(str(answer.status))

        workers = [Beside(lambda number=number: load(number)) for number in range(6)]  # type: ignore[misc]
        for _ in range(3):
            good = outcomes.count("200")
            wait_until(lambda good=good: outcomes.count("200") > good + 50, "it is under load")  # type: ignore[misc]
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            bad = len(outcomes)
            wait_until(
                lambda bad=bad: any(outcome != "200" for outcome in outcomes[bad:]),  # type: ignore[misc]
                "the clients see it",
            )
            victim = start()
        good = outcomes.count("200")
        wait_until(lambda: outcomes.count("200") > good + 50, "it has recovered")
        is_over.set()
        for worker in workers:
            worker.join()
        recent = sidecar.ask(request("/after"))
        assert recent.body == b"/after#" * 2000
    finally:
        victim.kill()
        victim.wait()


def test_an_answer_after_ours_was_given_up_reaches_nobody(
    sidecar: SidecarProcess, application: Application
) -> None:
    late: list[Talk] = []
    application.answer = once(lambda talk, _: late.append(talk))
    assert sidecar.ask(request("/late")).status == 504
    with sidecar.connect() as client:
        client.send(request("/next"))
        with contextlib.suppress(OSError):  # it is closed already, as it should be
            late[0].send(OK)
        assert client.response().body == b"/next "


def test_connections_to_the_application_are_still_shared_after_all_of_this(
    sidecar: SidecarProcess, application: Application
) -> None:
    application.answer = answering(OK)
    before = len(application.talks)
    with sidecar.connect() as client:
        for _ in range(20):
            assert client.exchange(request("/a")).status == 200
    assert len(application.talks) <= before + 1
