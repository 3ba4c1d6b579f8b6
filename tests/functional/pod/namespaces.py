"""A pod, a client and a node: three network namespaces, and what happens in them.

The pod is the namespace that this runs in; ``client`` and ``node`` are two more, each joined to it
by a pair of virtual interfaces. The application listens on port 8000 of the pod, as it always did;
the sidecar runs as user 1337. All of it is gone with the namespaces, and so is every program that
stands in another's place here (the mounts are ours alone).
"""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.functional.application import Application
from tests.functional.sidecar_process import run_command, wait_until

UID: Final = 1337
PORT: Final = 8000
POD: Final = {4: "10.9.0.1", 6: "fd09::1"}
PEERS: Final = {
    "client": {4: "10.9.0.2", 6: "fd09::2"},
    "node": {4: "10.9.1.2", 6: "fd0a::2"},
}
GATES: Final = {"client": POD, "node": {4: "10.9.1.1", 6: "fd0a::1"}}

APPLY: Final = ("intercept", "apply", "--ports", str(PORT))
SHOW: Final = ("intercept", "show", "--ports", str(PORT))
REMOVE: Final = ("intercept", "remove")
OUTBOUND: Final = {"outbound": {"listen": ["127.0.0.1:15001", "[::1]:15001"]}}

by_family = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])

_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=20)


def heard(*command: str) -> str:
    """What the command prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def make_namespaces() -> None:
    """The client's and the node's, each with an interface of the pod's."""
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


@contextmanager
def sockets_of(peer: str) -> Iterator[None]:
    """Sockets that are made here are in that namespace, and stay there."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(namespace: int) -> None:
        if libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace {peer}")

    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    theirs = os.open(f"/run/netns/{peer}", os.O_RDONLY)
    try:
        enter(theirs)
        try:
            yield
        finally:
            enter(ours)
    finally:
        os.close(theirs)
        os.close(ours)


class Everywhere(Application):
    """The application on every address of the pod, of both families."""

    def listen(self) -> None:
        address = ("::", PORT)
        listener = socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True)
        self._listener = listener
        self._start(self._accept, listener)


def intercept(*more: str, backend: str = "auto") -> None:
    done = run_command(*APPLY, "--backend", backend, *more)
    assert done.returncode == 0, done.stderr


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


# --- programs ---


def found(program: str) -> str:
    path = shutil.which(program)
    assert path is not None, f"there is no {program}"
    return path


@contextmanager
def in_place_of(program: str, other: str | Path) -> Iterator[None]:
    """Whoever calls the one program gets the other."""
    place = os.path.realpath(found(program))
    run("mount", "--bind", os.path.realpath(other), place)
    try:
        yield
    finally:
        run("umount", place)


@contextmanager
def hidden(program: str, directory: Path) -> Iterator[None]:
    """The program is not there: a file that nobody may execute lies over it."""
    nothing = directory / f"no-{program}"
    nothing.touch(mode=0o600)
    with in_place_of(program, nothing):
        yield


# --- traffic ---


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
        heard("ip", "-6", "-j", "address", "show", "dev", "client", "scope", "link")
    )
    addresses = [info for each in listed for info in each.get("addr_info", [])]
    (address,) = (info["local"] for info in addresses if info.get("scope") == "link")
    return f"{address}%25eth0"


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
