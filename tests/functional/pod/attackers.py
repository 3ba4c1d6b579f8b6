"""A neighbour who knows about the sidecar, and tries to get around it."""

import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.credentials import Signer
from tests.functional.pod import packets
from tests.functional.pod.caller import Caller
from tests.functional.pod.conftest import Start
from tests.functional.pod.namespaces import (
    GATES,
    OUTBOUND,
    PEERS,
    POD,
    PORT,
    by_family,
    intercept,
    run,
    status,
)
from tests.functional.sidecar_process import SidecarProcess, wait_until

MAPPED: Final = f"::ffff:{POD[4]}"
IPPROTO_MPTCP: Final = 262  # linux/in.h
# linux/in6.h
IPV6_HOPOPTS: Final = 54
IPV6_DSTOPTS: Final = 59
PADDING: Final = b"\0\0\x01\x04\0\0\0\0"  # RFC 8200, section 4.2: an option without a meaning


@pytest.fixture
def start_all(start: Start) -> Start:
    """The sidecar, and the rules."""

    def start_both(**more: Any) -> SidecarProcess:
        sidecar = start(timeouts={"header": "1s", "idle": "1s"}, **more)
        intercept()
        return sidecar

    return start_both


@pytest.fixture
def sidecar(start_all: Start) -> SidecarProcess:
    return start_all()


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "IPv4": (POD[4], {}),
    "IPv6": (POD[6], {}),
    "IPv4 as IPv6": (MAPPED, {}),
    "another IPv4 address": (GATES["node"][4], {}),
    "another IPv6 address": (GATES["node"][6], {}),
    "IPv4 options": (
        POD[4],
        {"options": [(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01\x01\x01\x01")]},
    ),
    "hop-by-hop options": (POD[6], {"options": [(socket.IPPROTO_IPV6, IPV6_HOPOPTS, PADDING)]}),
    "destination options": (POD[6], {"options": [(socket.IPPROTO_IPV6, IPV6_DSTOPTS, PADDING)]}),
    **{
        f"IPv{family} from port {port}": (POD[family], {"from_port": port})
        for family in POD
        for port in (PORT, 15006, 15001)
    },
}


if Path("/proc/sys/net/mptcp/enabled").exists():  # else the kernel has none, for nobody
    KINDS |= {
        f"MPTCP over IPv{family}": (host, {"protocol": IPPROTO_MPTCP})
        for family, host in POD.items()
    }


@pytest.mark.usefixtures("sidecar")
@pytest.mark.parametrize(("host", "how"), KINDS.values(), ids=KINDS)
def test_a_connection_of_any_kind_is_verified(
    application: Application, signer: Signer, host: str, how: dict[str, Any]
) -> None:
    with Caller(host, **how) as caller:
        assert caller.exchange(request("/")).status == 401
        assert application.talks == []
        assert caller.exchange(request("/", token=signer.token())).status == 200
    assert len(application.requests) == 1


@by_family
def test_one_source_port_to_many_ports_is_many_connections(
    sidecar: SidecarProcess, application: Application, signer: Signer, family: int
) -> None:
    gate = GATES["node"][family]
    places = [(POD[family], PORT), (gate, PORT), (POD[family], 15006), (gate, 15006)]
    with ExitStack() as stack:
        first = stack.enter_context(Caller(*places[0]))
        port = first.socket.getsockname()[1]
        rest = [stack.enter_context(Caller(*place, from_port=port)) for place in places[1:]]
        answers = [each.exchange(request("/")).status for each in (first, *rest)]
        assert answers == [401, 401, 421, 421]
        assert application.talks == []
        answers = [each.exchange(request("/", token=signer.token())).status for each in rest[:1]]
        assert answers == [200]
    peer = application.last.value("X-Forwarded-For").decode()
    assert peer == PEERS["client"][family]


OPENINGS: Final = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "PROXY 1": b"PROXY TCP4 127.0.0.1 127.0.0.1 9 8000\r\n" + request("/"),
    "PROXY 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x09\x1f\x40"
    + request("/"),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
}


@pytest.mark.usefixtures("sidecar")
@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
@pytest.mark.parametrize("is_bytewise", [False, True], ids=["at once", "byte by byte"])
def test_what_is_not_http_1_is_refused(
    application: Application, opening: bytes, is_bytewise: bool
) -> None:
    with Caller(POD[4]) as caller:
        with suppress(ConnectionError):  # it may be cut before everything is said
            caller.send_bytewise(opening) if is_bytewise else caller.send(opening)
        answer = caller.rest()
    assert answer == b"" or answer.startswith(
        (b"HTTP/1.1 400 ", b"HTTP/1.1 505 ", b"HTTP/1.1 408 ")
    )
    assert application.talks == []


@pytest.mark.usefixtures("sidecar")
def test_a_request_in_pieces_is_the_same_request(application: Application, signer: Signer) -> None:
    with Caller(POD[6]) as caller:
        caller.send_bytewise(request("/"))
        assert caller.response().status == 401
        assert application.talks == []
        caller.send_bytewise(request("/pieces", token=signer.token()))
        assert caller.response().status == 200
    assert application.last.target == b"/pieces"


@pytest.mark.usefixtures("sidecar")
@pytest.mark.parametrize("opening", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n"], ids=str)
def test_who_waits_is_given_up_and_not_let_through(
    application: Application, opening: bytes
) -> None:
    with Caller(POD[4]) as caller:
        caller.send(opening)
        answer = caller.rest()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
    assert application.talks == []


def test_the_admin_port_does_from_outside_what_it_should_and_no_more(
    start_all: Start, application: Application, signer: Signer
) -> None:
    start_all(admin="[::]:15020")
    wait_until(lambda: status("client", POD[4], 15020) == 404, "the admin port answers")
    inside = "127.0.0.1:15020"
    fields = ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1")
    with Caller(POD[4], 15020) as caller:
        drain = request("/drain", *fields, method="POST", host=inside)
        assert caller.exchange(drain).status == 403
    for target, method in (
        ("/drain", "POST"),
        (f"http://{inside}/drain", "POST"),
        (inside, "CONNECT"),
    ):
        with Caller(POD[4]) as caller:
            attempt = request(target, *fields, method=method, host=inside, token=signer.token())
            caller.exchange(attempt)
    for received in application.requests:  # it is the application's to say what that is
        assert received.value("X-Forwarded-For").decode().endswith(PEERS["client"][4])
    with Caller(POD[4], 15020) as caller:
        assert caller.exchange(request("/ready")).status == 200


def test_the_outbound_port_is_no_way_in(start: Start) -> None:
    start(**OUTBOUND)
    intercept("--outbound-to", "15001")
    for host in (*POD.values(), MAPPED):
        assert status("client", host, 15001) == 0
        assert status("client", host) == 401


@by_family
def test_only_the_load_balancer_says_who_calls(
    start_all: Start, application: Application, signer: Signer, family: int
) -> None:
    networks = ["10.9.1.0/24", "fd0a::/64"]
    start_all(proxy_protocol={"from": networks})
    header = b"PROXY TCP4 198.51.100.7 198.51.100.8 9 8000\r\n"
    token = signer.token()
    with Caller(GATES["node"][family], peer="node") as caller:
        caller.send(header)
        assert caller.exchange(request("/", token=token)).status == 200
    assert application.last.value("X-Forwarded-For") == b"198.51.100.7"

    application.forget()
    with Caller(POD[family]) as caller:
        caller.send(header + request("/", token=token))
        assert caller.response().status == 400
    with Caller(GATES["node"][family], peer="node") as caller:
        answer = caller.exchange(request("/", token=token))
        assert (answer.status, answer.problem_reason) == (400, "bad_proxy_header")
    assert application.requests == []
    with Caller(POD[family]) as caller:
        assert caller.exchange(request("/", token=token)).status == 200
    assert application.last.value("X-Forwarded-For").decode() == PEERS["client"][family]


def test_whoever_says_to_be_another_is_named_too(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    with Caller(POD[4]) as caller:
        claim = request("/", "X-Forwarded-For: 127.0.0.1", token=signer.token())
        assert caller.exchange(claim).status == 200
    last = application.last.values("X-Forwarded-For")[-1].decode()
    assert last.rpartition(",")[2].strip() == PEERS["client"][4]


@pytest.mark.usefixtures("sidecar")
def test_no_packet_out_of_the_ordinary_reaches_the_application(application: Application) -> None:
    # The client's kernel knows nothing of these connections and would end them.
    within = ("ip", "netns", "exec", "client", "nft")
    run(*within, "add", "table", "inet", "silent")
    run(*within, "add", "chain", "inet", "silent", "out", "{ type filter hook output priority 0; }")
    run(*within, "add", "rule", "inet", "silent", "out", "tcp", "flags", "rst", "drop")
    with packets.Wire() as wire:
        ordinary = wire.talk(packets.SYN, request("/"))
        assert ordinary is not None
        assert ordinary.startswith(b"HTTP/1.1 401 ")
        for flags in range(64):  # every combination there is
            heard = wire.talk(flags, request("/"))
            assert heard is None or heard.startswith(b"HTTP/1.1 401 "), flags
        in_pieces = wire.talk(packets.SYN, request("/"), is_fragmented=True)
        assert in_pieces is not None
        assert in_pieces.startswith(b"HTTP/1.1 401 ")
        for loopback in ("127.0.0.1", "127.0.0.2"):
            heard = wire.talk(packets.SYN, request("/"), to=loopback)
            assert heard is None or heard.startswith(b"HTTP/1.1 401 ")
    with Caller(POD[4]) as caller:
        assert caller.exchange(request("/")).status == 401
    assert application.talks == []
