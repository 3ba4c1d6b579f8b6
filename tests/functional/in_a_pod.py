"""``sidecar intercept`` in a pod of its own: run by ``test_interception.py`` in fresh namespaces.

The pod is the namespace that this runs in; ``client`` and ``node`` are two more, each joined to it
by a pair of virtual interfaces. The application listens on port 8000 of the pod, as it always did;
the sidecar runs as user 1337. All of it is gone with the namespaces, and so is every program that
stands in another's place here (the mounts are ours alone).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import OK, Application, answering
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import COMMAND, SidecarProcess, run_command, wait_until

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

#: What keeps the rules: ``nft``, and ``iptables`` of both kinds.
KEEPERS = ("nft", "iptables-nft", "iptables-legacy")
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
    assert "SIDECAR" not in "".join(rules()).upper()


@contextmanager
def in_place_of(program: str, other: str) -> Iterator[None]:
    """Whoever calls the one program gets the other."""
    place = os.path.realpath(found(program))
    run("mount", "--bind", os.path.realpath(found(other)), place)
    try:
        yield
    finally:
        run("umount", place)


def found(program: str) -> str:
    path = shutil.which(program)
    assert path is not None, f"there is no {program}"
    return path


@pytest.fixture(params=KEEPERS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each backend; ``iptables`` is of either kind."""
    keeper = str(request.param)
    with ExitStack() as stack:
        if keeper != "nft" and os.path.realpath(found(keeper)) != os.path.realpath(
            found("iptables")
        ):
            stack.enter_context(in_place_of("iptables", keeper))
        yield keeper.partition("-")[0]
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
    # A test that has the admin port elsewhere waits for it itself.
    return launch(settings, keyring=keyring, command=AS_THE_SIDECAR, waits="admin" not in more)


def status(peer: str, host: str, port: int = PORT, *, token: str | None = None) -> int:
    """What a request from that namespace is answered; 0: the connection was refused."""
    url = f"http://[{host}]:{port}/path?q=1" if ":" in host else f"http://{host}:{port}/path?q=1"
    fields = ["-H", f"Authorization: Bearer {token}"] if token else []
    done = subprocess.run(
        ["ip", "netns", "exec", peer, "curl", "-g", "-s", "-m", "20", "-o", "/dev/null",
         "-w", "%{http_code} %{exitcode}", *fields, url],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    code, failure = map(int, done.stdout.split())
    assert failure in (0, 7), f"curl failed with {failure}"  # 7: refused
    return code


def link_local() -> str:
    """The pod's address on the client's link, as the client writes it (RFC 6874)."""
    listed = json.loads(
        subprocess.run(
            ["ip", "-6", "-j", "address", "show", "dev", "client", "scope", "link"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout
    )  # fmt: skip
    (address,) = (info["local"] for each in listed for info in each.get("addr_info", []) if info)
    return f"{address}%25eth0"


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


def test_no_way_leads_around(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    start(launch, application, signer, keyring)
    intercept(backend=backend)
    gates = GATES["node"].values()
    everywhere = [*POD.values(), *gates, "::ffff:10.9.0.1", link_local()]
    assert {host: status("client", host) for host in everywhere} == dict.fromkeys(everywhere, 401)
    assert status("client", POD[4], 15006, token=signer.token()) == 421
    assert application.requests == []


@by_family
def test_of_every_port_only_the_listed_are_served_and_the_admin_port_stays(
    launch: Launch,
    application: Application,
    signer: Signer,
    keyring: Any,
    family: int,
    backend: str,
) -> None:
    start(launch, application, signer, keyring, admin="[::]:15020")
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
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    sidecar = start(launch, application, signer, keyring)
    intercept(backend=backend)
    assert status("client", POD[4], token=signer.token()) == 200
    sidecar.kill()
    assert status("client", POD[4], token=signer.token()) == 0
    assert status("client", POD[6], token=signer.token()) == 0
    assert len(application.requests) == 1


def test_networks_that_are_excepted_reach_the_application_itself(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    start(launch, application, signer, keyring)
    intercept("--except-sources", "10.9.1.0/24", "--except-sources", "fd0a::/64", backend=backend)
    for family in (4, 6):
        assert status("node", GATES["node"][family]) == 200
        assert status("client", POD[family]) == 401


OUTBOUND = {"outbound": {"listen": ["127.0.0.1:15001", "[::1]:15001"]}}


@contextmanager
def served(peer: str, port: int) -> Iterator[None]:
    """A service outside of the pod."""
    server = subprocess.Popen(
        ["ip", "netns", "exec", peer, sys.executable, "-m", "http.server", "-b", "::", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    try:
        yield
    finally:
        server.kill()
        server.wait()


def call(host: str) -> str:
    """What a call of the pod's to that service is answered; 000: it was cut."""
    return subprocess.run(
        ["curl", "-s", "-m", "20", "-w", "%{http_code}", "-o", "/dev/null", f"http://{host}:9000/"],
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip


def wait_for_answer(host: str) -> None:
    wait_until(lambda: call(host) == "200", "the service answers the pod's call")


def test_the_pods_own_calls_work_and_the_sidecars_do_not_loop(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    with served("client", 9000):
        sidecar = start(launch, application, signer, keyring, **OUTBOUND)
        intercept("--outbound-to", "15001", backend=backend)
        for host in ("10.9.0.2", "[fd09::2]"):
            wait_for_answer(host)
        assert sidecar.metrics().value("sidecar_outbound_failures_total", reason="loop") == 0
        assert status("client", POD[4], token=signer.token()) == 200


@pytest.mark.parametrize("host", ["10.9.0.2", "[fd09::2]"])
def test_calls_that_rules_for_another_user_send_back_are_cut_and_do_not_circle(
    launch: Launch, application: Application, signer: Signer, keyring: Any, host: str
) -> None:
    with served("client", 9000):
        sidecar = start(launch, application, signer, keyring, **OUTBOUND)
        wait_for_answer(host)
        intercept("--outbound-to", "15001", "--uid", "4242")
        assert call(host) == "000"
        metrics = sidecar.metrics()
        assert metrics.value("sidecar_outbound_failures_total", reason="loop") == 1
        assert metrics.value("sidecar_outbound_connections_open") == 0


def test_what_is_only_routed_through_the_pod_is_left_alone(
    launch: Launch, application: Application, signer: Signer, keyring: Any, backend: str
) -> None:
    for switch in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        Path("/proc/sys/net", switch).write_text("1")
    start(launch, application, signer, keyring)
    intercept(backend=backend)
    with served("node", PORT):
        for host in PEERS["node"].values():
            wait_until(partial(is_not_found, host), "the node answers, and nobody else")
    assert status("client", POD[4]) == 401


def is_not_found(host: str) -> bool:
    """Whether somebody answers who has no such path, and asks for no token."""
    return status("client", host) == 404


def test_applied_twice_is_the_same_and_show_finds_what_differs(backend: str) -> None:
    options = ("--backend", backend)
    assert run_command(*SHOW, *options).returncode == 1
    intercept(backend=backend)
    once = rules()
    intercept(backend=backend)
    assert rules() == once
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


def test_removal_leaves_nothing_and_the_rules_of_others_stay(
    application: Application, backend: str
) -> None:
    application.answer = answering(OK)
    others = ("-p", "udp", "--dport", "53", "-j", "RETURN")
    run("iptables", "-t", "nat", "-A", "PREROUTING", *others)
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
        run("iptables", "-t", "nat", "-D", "PREROUTING", *others)


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


@pytest.mark.parametrize("chosen", ["auto", "nft"])
def test_another_backend_takes_over_without_leaving_two(chosen: str) -> None:
    before = rules()
    intercept(backend="iptables")
    both = run_command(*SHOW, "--backend", "nft")
    assert both.returncode == 1
    assert "iptables has too" in both.stdout
    intercept(backend=chosen)
    assert rules()[1:] == before[1:]
    assert run_command(*SHOW).returncode == 0
    intercept(backend="iptables")
    assert rules()[0] == before[0]


def test_iptables_keeps_the_rules_where_there_is_no_nft(tmp_path: Path) -> None:
    with hidden("nft", tmp_path):
        intercept()
        shown = run_command(*SHOW, "--json")
        assert json.loads(shown.stdout)["backend"] == "iptables"
        assert run_command(*APPLY, "--backend", "nft").returncode == 3


def test_without_a_program_it_is_one_clear_line(tmp_path: Path) -> None:
    before = rules()
    with hidden("nft", tmp_path), hidden("iptables", tmp_path):
        for command in (APPLY, SHOW, ("intercept", "remove")):
            done = run_command(*command)
            assert done.returncode == 3
            (line,) = done.stderr.splitlines()
            assert line == (
                "sidecar: there is no nft nor iptables here: install nftables or iptables"
            )
    assert rules() == before


@contextmanager
def hidden(program: str, directory: Path) -> Iterator[None]:
    """The program is not there: a file that nobody may execute lies over it."""
    nothing = directory / f"no-{program}"
    nothing.touch(mode=0o600)
    place = os.path.realpath(found(program))
    run("mount", "--bind", str(nothing), place)
    try:
        yield
    finally:
        run("umount", place)


def test_what_a_program_refuses_changes_nothing(backend: str) -> None:
    intercept(backend=backend)
    before = rules()
    # What no program knows stands in for what a kernel does not know.
    broken = "from sidecar.interception import iptables, nftables\n" + (
        "nftables._set = lambda _: 'nowhere'\n"
        if backend == "nft"
        else "iptables._LOOPBACK[6] = 'nowhere'\n"
    )
    command = ["intercept", "apply", "--ports", "9000", "--outbound-to", "15001"]
    run_it = f"{broken}from sidecar.cli.main import main\nmain({[*command, '--backend', backend]})"
    done = subprocess.run(
        [sys.executable, "-c", run_it], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert f"{'nft' if backend == 'nft' else 'ip6tables-restore'} failed: " in line
    assert rules() == before


def test_a_dry_run_prints_the_rules_and_changes_nothing() -> None:
    before = rules()
    shown = run_command(*APPLY, "--dry-run")
    assert shown.returncode == 0
    assert "redirect to :15006" in shown.stdout
    assert rules() == before


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
    assert line.startswith("sidecar: not permitted: ")
    assert "NET_ADMIN" in line
