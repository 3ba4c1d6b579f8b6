"""Measures what needs rules of the kernel, alone in a network namespace.

``unshare --net python -m benchmarks.redirected ROUNDS SECONDS BYTES`` prints a sample in JSON on
each line. Connections to the application are redirected to the sidecar, except those of the group
of the proxies, so a client connects to the same address in every case. Called by
``measures.interception``.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.application import running_application
from benchmarks.errors import BenchError
from benchmarks.fleet import Proxy
from benchmarks.http import ITEM, free_port, is_answering, wait_for
from benchmarks.machine import Cores, divide_cores, settle
from benchmarks.measures.throughput import load_samples
from benchmarks.processes import Process, started
from benchmarks.programs import find_program
from benchmarks.proxies.tcp import write_tcp_configuration
from benchmarks.samples import Sample
from benchmarks.streams import download_s, upload_s
from benchmarks.wrk import press

_MIB = 1 << 20
_GROUP = 1337
_START_S = 20.0
_WARM_UP_S = 1


def measure(rounds: int, seconds: int, size: int, directory: Path) -> Iterator[Sample]:
    """Everything, one after the other."""
    _run("ip", "link", "set", "lo", "up")
    cores = divide_cores()
    settle(cores)
    with running_application(directory, cores, size) as application:
        yield from _requests(rounds, seconds, directory, application.port, cores)
        ports = (application.port, application.sink_port)
        yield from _bytes(rounds, size, directory, ports, cores)


def _requests(
    rounds: int, seconds: int, directory: Path, port: int, cores: Cores
) -> Iterator[Sample]:
    tokens = directory / "tokens.txt"
    tokens.write_text("none.is.looked-at\n")
    upstream = {
        "url": "original-dst",
        "ports": [port],
        "fallback": f"http://127.0.0.1:{port}",
    }
    with (
        _sidecar(directory, {"upstream": upstream}, cores) as (process, own_port),
        _redirected(own_port, port),
    ):
        ways = [
            Proxy("direct", own_port, own_port, process, 0.0),
            Proxy("sidecar", port, own_port, process, 0.0),
        ]
        for way in ways:
            press(way, tokens, _WARM_UP_S)
        for number in range(rounds):
            for way in ways if number % 2 else ways[::-1]:
                load = press(way, tokens, seconds)
                yield from load_samples("intercepted", way.name, number, load)


def _bytes(
    rounds: int, size: int, directory: Path, ports: tuple[int, int], cores: Cores
) -> Iterator[Sample]:
    settings = {"upstream": "original-dst", "opaque_ports": list(ports)}
    ways = {free_port(): port for port in ports}
    with (
        _haproxy(directory, ways, cores),
        _sidecar(directory, settings, cores) as (_, own_port),
        _redirected(own_port, *ports),
    ):
        transfers: tuple[tuple[str, Callable[[int, str, int], float]], ...] = (
            ("opaque_download", download_s),
            ("opaque_upload", upload_s),
        )
        for (figure, transfer), port, peer in zip(transfers, ports, ways, strict=True):
            speed = f"{figure}.mib_per_s"
            transfer(peer, "none", size)
            for number in range(rounds):
                for name, at in (("haproxy", peer), ("sidecar", port)):
                    yield Sample(speed, name, number, size / _MIB / transfer(at, "none", size))


@contextmanager
def _sidecar(
    directory: Path, settings: Mapping[str, object], cores: Cores
) -> Iterator[tuple[Process, int]]:
    port, admin_port = free_port(), free_port()
    path = directory / "sidecar.yaml"
    own: Mapping[str, object] = {
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin_port}",
        "auth": {"mode": "off"},
        "version": {"paths": []},
        "shutdown": {"drain": "0s", "grace": "1s"},
    }
    path.write_text(json.dumps({**own, **settings}))
    command = [*_of_the_group(), sys.executable, "-m", "sidecar", "run", "--config", path]
    with started("sidecar", command, {cores.proxy}, directory / "sidecar.log") as process:
        if not wait_for(lambda: is_answering(admin_port, "/ready", None), _START_S, 0.02):
            process.check()
            raise BenchError("the sidecar is not ready")
        yield process, port


@contextmanager
def _haproxy(directory: Path, ways: dict[int, int], cores: Cores) -> Iterator[Process]:
    program = find_program("haproxy")
    if program is None:
        raise BenchError("HAProxy is not installed")
    path = directory / "haproxy-tcp.cfg"
    write_tcp_configuration(path, ways)
    command = [*_of_the_group(), program, "-db", "-f", path]
    with started("haproxy", command, {cores.proxy}, directory / "haproxy.log") as process:
        first = next(iter(ways))
        if not wait_for(lambda: is_answering(first, ITEM, None), _START_S, 0.02):
            process.check()
            raise BenchError("HAProxy is not ready")
        yield process


@contextmanager
def _redirected(to: int, *ports: int) -> Iterator[None]:
    listed = ", ".join(map(str, ports))
    _run(
        "nft",
        "-f",
        "-",
        text=f"""
table ip bench {{
  chain output {{
    type nat hook output priority -100; policy accept;
    meta skgid != {_GROUP} tcp dport {{ {listed} }} redirect to :{to}
  }}
}}
""",
    )
    try:
        yield
    finally:
        _run("nft", "delete", "table", "ip", "bench")


def _of_the_group() -> list[str | Path]:
    return ["setpriv", f"--regid={_GROUP}", "--clear-groups"]


def _run(program: str, *arguments: str, text: str = "") -> None:
    found = find_program(program)
    if found is None:
        raise BenchError(f"{program} is not installed")
    # Only rules and names of this file.
    subprocess.run(  # noqa: S603
        [found, *arguments], input=text, text=True, check=True, timeout=30
    )


def main() -> None:
    """Measure, and print."""
    rounds, seconds, size = map(int, sys.argv[1:4])
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory(prefix="sidecar-bench-"))
        for sample in measure(rounds, seconds, size, Path(directory)):
            print(json.dumps(asdict(sample)), flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench: {error}")
