"""Who calls the pod, and whom it calls, once its connections are intercepted."""

import socket
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.functional.application import Application, echo
from tests.functional.client import PATIENCE_S, Truncated, request
from tests.functional.credentials import Signer
from tests.functional.pod.caller import Caller
from tests.functional.pod.conftest import Start
from tests.functional.pod.namespaces import (
    GATES,
    OUTBOUND,
    PEERS,
    POD,
    PORT,
    REMOVE,
    by_family,
    call,
    intercept,
    link_local,
    served,
    sockets_of,
    status,
    wait_for_answer,
)
from tests.functional.sidecar_process import run_command, wait_until


@by_family
def test_a_caller_is_verified_without_knowing(
    start: Start, application: Application, signer: Signer, family: int, backend: str
) -> None:
    start()
    intercept(backend=backend)

    assert status("client", POD[family]) == 401
    assert application.requests == []
    assert status("client", POD[family], token=signer.token()) == 200
    received = application.last
    assert received.target == b"/path?q=1"
    assert received.value("X-Forwarded-For").decode() == PEERS["client"][family]
    assert received.value("Host").decode().strip("[]").startswith(POD[family])


@by_family
def test_the_application_sees_the_same_request(
    start: Start, application: Application, signer: Signer, family: int
) -> None:
    application.answer = echo
    asked = request(
        "/a%2Fb//c?q=%20;x", "x-ODD: 1", "X-Odd: 2", "Accept-Encoding: br", method="PUT",
        body=bytes(range(256)) * 300, token=signer.token(), host="Thoughts.example:8000",
    )  # fmt: skip
    received, answers = [], []
    for is_intercepted in (False, True):
        if is_intercepted:
            start()
            intercept()
        with Caller(POD[family]) as caller:
            answers.append(caller.exchange(asked))
        received.append(application.last)
    direct, intercepted = received
    assert (intercepted.method, intercepted.target) == (direct.method, direct.target)
    assert intercepted.body == direct.body == answers[0].body == answers[1].body
    assert [field for field in direct.fields if field not in intercepted.fields] == []
    added = {field[0].lower() for field in intercepted.fields if field not in direct.fields}
    assert added <= {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded",
                     b"via", b"x-request-id", b"traceparent", b"x-auth-username"}  # fmt: skip


@by_family
def test_rules_that_change_keep_the_connections_that_are_verified(
    start: Start, signer: Signer, family: int, backend: str
) -> None:
    start()
    intercept(backend=backend)
    with Caller(POD[family]) as caller:
        for options in ((), ("--except-ports", "9000"), ("--outbound-to", "15001")):
            intercept(*options, backend=backend)
            assert caller.exchange(request("/", token=signer.token())).status == 200


@by_family
def test_no_open_connection_becomes_one_to_the_application_when_the_rules_go(
    start: Start, application: Application, family: int, backend: str
) -> None:
    start()
    intercept(backend=backend)
    with Caller(POD[family]) as caller:
        assert caller.exchange(request("/")).status == 401
        assert run_command(*REMOVE).returncode == 0
        with suppress(ConnectionError, Truncated):  # the kernel may have forgotten what it was
            assert caller.exchange(request("/")).status == 401
        assert application.talks == []
    assert status("client", POD[family]) == 200


@by_family
def test_a_connection_from_before_the_rules_is_ended(
    start: Start, application: Application, family: int, backend: str
) -> None:
    start()
    with Caller(POD[family]) as caller:
        assert caller.exchange(request("/")).status == 200
        intercept(backend=backend)
        with pytest.raises((ConnectionError, Truncated)):
            caller.exchange(request("/"))
    assert len(application.requests) == 1


def test_no_way_leads_around(
    start: Start, application: Application, signer: Signer, backend: str
) -> None:
    start()
    intercept(backend=backend)
    gates = GATES["node"].values()
    everywhere = [*POD.values(), *gates, "::ffff:10.9.0.1", link_local()]
    assert {host: status("client", host) for host in everywhere} == dict.fromkeys(everywhere, 401)
    assert status("client", POD[4], 15006, token=signer.token()) == 421
    assert application.requests == []


@by_family
def test_of_every_port_only_the_listed_are_served_and_the_admin_port_stays(
    start: Start, signer: Signer, family: int, backend: str
) -> None:
    start(admin="[::]:15020")
    assert run_command("intercept", "apply", "--ports", "all", "--backend", backend).stdout == (
        f"Connections to every port reach port 15006 ({backend}).\n"
    )
    wait_until(lambda: status("client", POD[family], 15020) == 404, "the admin port answers")
    with socket.create_server(("::", 9009), family=socket.AF_INET6, dualstack_ipv6=True) as other:
        assert status("client", POD[family], 9009, token=signer.token()) == 421
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert status("client", POD[family]) == 401
    assert status("client", POD[family], token=signer.token()) == 200


def test_a_sidecar_that_was_killed_closes_the_door(
    start: Start, application: Application, signer: Signer, backend: str
) -> None:
    sidecar = start()
    intercept(backend=backend)
    assert status("client", POD[4], token=signer.token()) == 200
    sidecar.kill()
    assert status("client", POD[4], token=signer.token()) == 0
    assert status("client", POD[6], token=signer.token()) == 0
    assert len(application.requests) == 1


def test_networks_that_are_excepted_reach_the_application_itself(
    start: Start, backend: str
) -> None:
    start()
    intercept("--except-sources", "10.9.1.0/24", "--except-sources", "fd0a::/64", backend=backend)
    for family in (4, 6):
        assert status("node", GATES["node"][family]) == 200
        assert status("client", POD[family]) == 401


def test_the_pods_own_calls_work_and_the_sidecars_do_not_loop(
    start: Start, signer: Signer, backend: str
) -> None:
    with served("client", 9000):
        sidecar = start(**OUTBOUND)
        intercept("--outbound-to", "15001", backend=backend)
        for host in ("10.9.0.2", "[fd09::2]", "[::ffff:10.9.0.2]"):
            wait_for_answer(host)
        assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 0
        assert status("client", POD[4], token=signer.token()) == 200


@pytest.mark.parametrize("host", ["10.9.0.2", "[fd09::2]"])
def test_calls_that_rules_for_another_user_send_back_are_cut_and_do_not_circle(
    start: Start, host: str
) -> None:
    with served("client", 9000):
        sidecar = start(**OUTBOUND)
        wait_for_answer(host)
        intercept("--outbound-to", "15001", "--uid", "4242")
        assert call(host) == "000"
        metrics = sidecar.metrics()
        assert metrics.value("sidecar_outbound_failures_total", reason="loop") == 1
        assert metrics.value("sidecar_outbound_connections_open") == 0


def test_a_call_from_a_port_that_the_sidecar_has_too_is_no_loop(start: Start) -> None:
    # The kernel gives one port to connections to different places; of so few, it soon must.
    ports = Path("/proc/sys/net/ipv4/ip_local_port_range")
    usual = ports.read_text()
    sidecar = start(**OUTBOUND)
    intercept("--outbound-to", "15001")
    with ExitStack() as stack:
        stack.callback(ports.write_text, usual)
        ports.write_text("40000 40003")
        for port in range(9000, 9016):
            with sockets_of("client"):
                listener = stack.enter_context(socket.create_server((PEERS["client"][4], port)))
            call = stack.enter_context(socket.create_connection((PEERS["client"][4], port)))
            call.settimeout(PATIENCE_S)
            listener.settimeout(PATIENCE_S)
            call.sendall(b"\x00")
            answering, _ = listener.accept()
            stack.enter_context(answering).sendall(b"heard")
            assert call.recv(5) == b"heard"
    assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 0


def test_what_is_only_routed_through_the_pod_is_left_alone(start: Start, backend: str) -> None:
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", switch).write_text("1")
    start()
    intercept(backend=backend)
    with served("node", PORT):
        for host in PEERS["node"].values():
            wait_until(partial(is_not_found, host), "the node answers, and nobody else")
    assert status("client", POD[4]) == 401


def is_not_found(host: str) -> bool:
    """Whether somebody answers who has no such path, and asks for no token."""
    return status("client", host) == 404
