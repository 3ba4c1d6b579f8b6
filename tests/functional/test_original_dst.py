"""Connections that were redirected to the sidecar go to the port that they were made to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional import redirected
from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.redirected import Redirected
from tests.functional.sidecar_process import SidecarProcess, free_port


@pytest.fixture
def applications() -> Iterator[tuple[Application, Application]]:
    both = Application(), Application()
    yield both
    for each in both:
        each.close()


def port_of(application: Application) -> int:
    return int(application.url.rpartition(":")[2])


def start(launch: Launch, *ports: int, **configuration: object) -> SidecarProcess:
    upstream = {"url": "original-dst", "ports": list(ports)}
    settings = {"auth": {"mode": "off"}, "log": {"access": "all"}, **configuration}
    settings["upstream"] = {**upstream, **configuration.get("upstream", {})}  # type: ignore[dict-item]
    return launch(settings, command=redirected.COMMAND)


def test_each_connection_goes_to_the_port_that_it_was_made_to(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    first, second = applications
    sidecar = start(launch, port_of(first), port_of(second))
    for application in (first, second, first):
        application.forget()
        with Redirected(sidecar.inbound_address, port_of(application)) as client:
            assert client.exchange(request("/a")).status == 200
        assert application.last.target == b"/a"
    assert len(second.requests) == 1


def test_the_application_learns_the_true_peer(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application))
    with Redirected(sidecar.inbound_address, port_of(application)) as client:
        client.exchange(request("/", "X-Request-ID: one"))
        peer = client.socket.getsockname()[0]
    assert application.last.value("X-Forwarded-For").decode() == peer
    assert sidecar.access_line("one")["peer"] == peer


def test_tokens_are_verified_as_ever(
    launch: Launch, applications: tuple[Application, Application], keyring: Path, signer: Signer
) -> None:
    application = applications[0]
    signer.publish(keyring)
    sidecar = launch(
        {"upstream": {"url": "original-dst", "ports": [port_of(application)]}},
        keyring=keyring,
        command=redirected.COMMAND,
    )
    with Redirected(sidecar.inbound_address, port_of(application)) as client:
        assert client.exchange(request("/")).status == 401
        assert client.exchange(request("/", token=signer.token())).status == 200
    assert len(application.requests) == 1


def test_a_connection_made_straight_to_the_proxy_port_is_refused(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application))
    answer = sidecar.ask(request("/"))
    assert (answer.status, answer.problem_reason) == (421, "not_intercepted")
    assert application.talks == []
    assert sidecar.ask(request("/version")).status == 200


def test_a_fallback_takes_the_connections_that_were_not_intercepted(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    intercepted, fallback = applications
    sidecar = start(launch, port_of(intercepted), upstream={"fallback": fallback.url})
    assert sidecar.ask(request("/direct")).status == 200
    assert fallback.last.target == b"/direct"
    assert intercepted.requests == []


def test_a_port_that_is_not_listed_is_refused_and_never_dialled(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    listed, other = applications
    sidecar = start(launch, port_of(listed))
    with Redirected(sidecar.inbound_address, port_of(other)) as client:
        answer = client.exchange(request("/"))
    assert (answer.status, answer.problem_reason) == (421, "port_not_served")
    assert other.talks == []


@pytest.mark.parametrize("host", ["loopback", "destination"])
def test_a_destination_on_another_host_is_never_dialled(
    launch: Launch, applications: tuple[Application, Application], host: str
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application), upstream={"host": host})
    with Redirected(sidecar.inbound_address, port_of(application), is_elsewhere=True) as client:
        answer = client.exchange(request("/"))
    assert (answer.status, answer.problem_reason) == (421, "port_not_served")
    assert application.talks == []


def test_the_sidecars_own_ports_are_never_dialled(launch: Launch) -> None:
    sidecar = start(launch, upstream={"host": "destination"})
    admin_port = sidecar.admin_address[1]
    for port in (admin_port, sidecar.inbound_address[1]):
        with Redirected(sidecar.inbound_address, port) as client:
            answer = client.exchange(request("/ready"))
        assert (answer.status, answer.problem_reason) == (421, "port_not_served")


def test_a_port_where_nobody_listens_is_503(launch: Launch) -> None:
    port = free_port()
    sidecar = start(launch, port)
    with Redirected(sidecar.inbound_address, port) as client:
        answer = client.exchange(request("/"))
    assert (answer.status, answer.problem_reason) == (503, "upstream_refused")


def test_the_application_is_asked_for_its_version_at_the_first_port(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application), version={"verify": "/app-version"})
    sidecar.wait_for_log("does not say its version")
    assert application.last.target == b"/app-version"


@pytest.mark.parametrize(
    ("opening", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # a TLS hello
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", 400),  # PostgreSQL asks for TLS
        (b"SSH-2.0-OpenSSH_9.6\r\n", 400),
        (b"*1\r\n$4\r\nPING\r\n", 400),
    ],
)
def test_what_is_not_http_1_is_refused_on_a_port_that_is_not_opaque(
    launch: Launch,
    applications: tuple[Application, Application],
    opening: bytes,
    status: int,
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application), timeouts={"header": "1s"})
    with Redirected(sidecar.inbound_address, port_of(application)) as client:
        client.send(opening)
        client.end_sending()
        rest = client.rest()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 %d " % status)
    assert application.talks == []


def test_a_client_that_waits_for_the_server_to_speak_is_given_up(
    launch: Launch, applications: tuple[Application, Application]
) -> None:
    application = applications[0]
    sidecar = start(launch, port_of(application), timeouts={"idle": "300ms"})
    with Redirected(sidecar.inbound_address, port_of(application)) as client:
        assert client.rest() == b""
    assert application.talks == []
