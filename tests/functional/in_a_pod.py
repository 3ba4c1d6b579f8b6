"""``sidecar intercept`` in a pod of its own: run by ``test_interception.py`` in fresh namespaces.

The pod is the namespace that this runs in; ``client`` and ``node`` are two more, each joined to it
by a pair of virtual interfaces. The application listens on port 8000 of the pod, as it always did;
the sidecar runs as user 1337. All of it is gone with the namespaces.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.functional.application import OK, Application, answering
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import COMMAND, SidecarProcess, run_command

UID = 1337
# The image's user as the kernel sees it, with leave to read what this test wrote as root.
AS_THE_SIDECAR = (
    *("setpriv", f"--euid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
    *COMMAND,
)
PORT = 8000
POD = {4: "10.9.0.1", 6: "fd09::1"}
PEERS = {"client": {4: "10.9.0.2", 6: "fd09::2"}, "node": {4: "10.9.1.2", 6: "fd0a::2"}}
GATES = {"client": POD, "node": {4: "10.9.1.1", 6: "fd0a::1"}}

APPLY = ("intercept", "apply", "--ports", str(PORT))
SHOW = ("intercept", "show", "--ports", str(PORT))

each_backend = pytest.mark.parametrize("backend", ["nft", "iptables"])
by_family = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=20)


@pytest.fixture(scope="module", autouse=True)
def world() -> None:
    run("ip", "link", "set", "lo", "up")
    for name, addresses in PEERS.items():
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        inside = ("ip", "-n", name)
        for where, device, ours in (("ip",), name, GATES[name]), (inside, "eth0", addresses):
            run(*where, "address", "add", f"{ours[4]}/24", "dev", device)
            run(*where, "address", "add", f"{ours[6]}/64", "dev", device, "nodad")
            run(*where, "link", "set", device, "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "route", "add", "default", "via", GATES[name][4])
        run(*inside, "-6", "route", "add", "default", "via", GATES[name][6])


class Everywhere(Application):
    """The application on every address of the pod, of both families."""

    def listen(self) -> None:
        address = ("::", PORT)
        listener = socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
        self._listener = listener
        self._start(self._accept, listener)


@pytest.fixture
def application() -> Iterator[Application]:
    """Where it always listened: every address of the pod, both families."""
    listening = Everywhere()
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def no_rules() -> Iterator[None]:
    yield
    assert run_command("intercept", "remove").returncode == 0


def intercept(*more: str, backend: str = "auto") -> None:
    done = run_command(*APPLY, "--backend", backend, *more)
    assert done.returncode == 0, done.stderr


def start(
    launch: Launch, application: Application, signer: Signer, keyring: Any, **more: Any
) -> SidecarProcess:
    signer.publish(keyring)
    settings = {
        "listen": "[::]:15006",
        "upstream": {"url": "original-dst", "ports": [PORT]},
        **more,
    }
    return launch(settings, keyring=keyring, command=AS_THE_SIDECAR)


def status(peer: str, host: str, port: int = PORT, *, token: str | None = None) -> int:
    """What a request from that namespace is answered; 0: the connection was refused."""
    url = f"http://[{host}]:{port}/path?q=1" if ":" in host else f"http://{host}:{port}/path?q=1"
    fields = ["-H", f"Authorization: Bearer {token}"] if token else []
    done = subprocess.run(
        ["ip", "netns", "exec", peer, "curl", "-s", "-m", "20", "-o", "/dev/null",
         "-w", "%{http_code} %{exitcode}", *fields, url],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    code, failure = map(int, done.stdout.split())
    assert failure in (0, 7), f"curl failed with {failure}"  # 7: refused
    return code


@each_backend
@by_family
def test_a_caller_is_verified_without_knowing(
    launch: Launch,
    application: Application,
    signer: Signer,
    keyring: Any,
    family: int,
    backend: str,
) -> None:
    start(launch, application, signer, keyring)
    intercept(backend=backend)

    assert status("client", POD[family]) == 401
    assert application.requests == []
    assert status("client", POD[family], token=signer.token()) == 200
    received = application.last
    assert received.target == b"/path?q=1"
    assert received.value("X-Forwarded-For").decode() == PEERS["client"][family]
    assert received.value("Host").decode().strip("[]").startswith(POD[family])


@each_backend
def test_no_way_leads_around(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    start(launch, application, signer, keyring)
    intercept(backend=backend)
    everywhere = [*POD.values(), *GATES["node"].values(), "::ffff:10.9.0.1"]
    assert {host: status("client", host) for host in everywhere} == dict.fromkeys(everywhere, 401)
    assert status("client", POD[4], 15006, token=signer.token()) == 421
    assert application.requests == []


@each_backend
def test_a_sidecar_that_was_killed_closes_the_door(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    sidecar = start(launch, application, signer, keyring)
    intercept(backend=backend)
    assert status("client", POD[4], token=signer.token()) == 200
    sidecar.stop()
    assert status("client", POD[4], token=signer.token()) == 0
    assert status("client", POD[6], token=signer.token()) == 0
    assert len(application.requests) == 1


@each_backend
def test_networks_that_are_excepted_reach_the_application_itself(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    start(launch, application, signer, keyring)
    intercept("--except-sources", "10.9.1.0/24", "--except-sources", "fd0a::/64", backend=backend)
    for family in (4, 6):
        assert status("node", GATES["node"][family]) == 200
        assert status("client", POD[family]) == 401


@each_backend
def test_the_pods_own_calls_work_and_the_sidecars_do_not_loop(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    server = subprocess.Popen(
        ["ip", "netns", "exec", "client", sys.executable, "-m", "http.server", "-b", "::", "9000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    try:
        own = {"outbound": {"listen": ["127.0.0.1:15001", "[::1]:15001"]}}
        sidecar = start(launch, application, signer, keyring, **own)
        intercept("--outbound-to", "15001", backend=backend)
        for host in ("10.9.0.2", "[fd09::2]"):
            called = subprocess.run(
                ["curl", "-s", "-m", "20", "--retry", "20", "--retry-all-errors",
                 "--retry-delay", "1", "-w", "%{http_code}", "-o", "/dev/null", f"http://{host}:9000/"],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert called.stdout == "200", called
        assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 0
        assert status("client", POD[4], token=signer.token()) == 200
    finally:
        server.kill()
        server.wait()


@each_backend
def test_applied_twice_is_the_same_and_show_finds_what_differs(backend: str) -> None:
    options = ("--backend", backend)
    assert run_command(*SHOW, *options).returncode == 1
    intercept(backend=backend)
    intercept(backend=backend)
    same = run_command(*SHOW, *options, "--json")
    assert json.loads(same.stdout) == {"in_force": True, "backend": backend, "difference": []}
    assert run_command(*SHOW, *options).returncode == 0

    other = run_command("intercept", "show", "--ports", "8000,9000-9010", *options)
    assert other.returncode == 1
    assert "9000" in other.stdout
    tamper(backend)
    assert run_command(*SHOW, *options).returncode == 1
    intercept("--outbound-to", "15001", backend=backend)
    assert run_command(*SHOW, *options, "--outbound-to", "15001").returncode == 0
    intercept(backend=backend)
    assert run_command(*SHOW, *options).returncode == 0


def tamper(backend: str) -> None:
    if backend == "nft":
        run("nft", "insert", "rule", "inet", "sidecar", "inbound", "tcp", "dport", "8000", "return")
    else:
        run("ip6tables", "-t", "nat", "-I", "SIDECAR_INBOUND", "1", "-p", "tcp", "-j", "RETURN")


@each_backend
def test_removal_leaves_nothing_and_the_rules_of_others_stay(
    application: Application, backend: str
) -> None:
    application.answer = answering(OK)
    run("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "udp", "--dport", "53", "-j", "RETURN")
    before = rules()
    try:
        intercept("--outbound-to", "15001", backend=backend)
        assert rules() != before
        assert status("client", POD[4]) == 0
        removed = run_command("intercept", "remove")
        assert (removed.returncode, removed.stdout) == (0, "The rules are gone.\n")
        assert rules() == before
        assert status("client", POD[4]) == 200
        assert run_command("intercept", "remove").stdout == "There were no rules.\n"
    finally:
        run(
            "iptables",
            "-t",
            "nat",
            "-D",
            "PREROUTING",
            "-p",
            "udp",
            "--dport",
            "53",
            "-j",
            "RETURN",
        )


def rules() -> list[str]:
    """All rules of the namespace, whoever made them."""
    listings: Sequence[Sequence[str]] = (
        ("nft", "list", "table", "inet", "sidecar"),
        ("iptables", "-t", "nat", "-S"),
        ("ip6tables", "-t", "nat", "-S"),
    )
    return [
        subprocess.run(each, capture_output=True, text=True, timeout=20, check=False).stdout
        for each in listings
    ]


def test_another_backend_takes_over_without_leaving_two() -> None:
    before = rules()
    intercept(backend="iptables")
    intercept()
    assert rules()[1:] == before[1:]
    assert run_command(*SHOW, "--backend", "nft").returncode == 0


def test_a_dry_run_prints_the_rules_and_changes_nothing() -> None:
    before = rules()
    shown = run_command(*APPLY, "--dry-run")
    assert shown.returncode == 0
    assert "redirect to :15006" in shown.stdout
    assert rules() == before


@each_backend
def test_without_the_capability_it_is_one_clear_line(backend: str) -> None:
    without = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", *COMMAND)
    done = subprocess.run(
        [*without, *APPLY, "--backend", backend],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("sidecar: intercept: not permitted")
    assert "NET_ADMIN" in line
