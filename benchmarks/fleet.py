"""Proxies that run beside each other, and the proof that each of them does its work."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from benchmarks.errors import BenchError
from benchmarks.http import ITEM, ask, is_answering, wait_for
from benchmarks.machine import Cores
from benchmarks.processes import Process, started
from benchmarks.proxies.kind import Kind, Setup
from benchmarks.tokens import Tokens

_START_S = 20.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is ready; ``ready_after_s`` counts from its exec.

    ``ready_port`` is where it says so, the sidecar's admin port.
    """

    name: str
    port: int
    ready_port: int
    process: Process
    ready_after_s: float


@contextmanager
def running(
    kinds: Iterable[Kind], directory: Path, upstream_port: int, tokens: Tokens, cores: Cores
) -> Iterator[list[Proxy]]:
    """Start fresh processes, one after the other, and end them with the context."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_running_one(kind, directory, upstream_port, tokens, cores))
            for kind in kinds
        ]


@contextmanager
def _running_one(
    kind: Kind, directory: Path, upstream_port: int, tokens: Tokens, cores: Cores
) -> Iterator[Proxy]:
    own = Path(mkdtemp(prefix=f"{kind.name}-", dir=directory))
    start = kind.configure(Setup(own, upstream_port, tokens))
    with started(kind.name, start.command, {cores.proxy}, own / "log") as process:
        is_ready = wait_for(
            lambda: is_answering(start.ready_port, start.ready_target, start.ready_token),
            _START_S,
            _POLL_S,
        )
        ready_after_s = time.monotonic() - process.started_at
        process.check()
        if not is_ready:
            raise BenchError(f"{kind.name} is not ready after {_START_S:.0f} s")
        yield Proxy(kind.name, start.port, start.ready_port, process, ready_after_s)


def check_answers(kinds: Iterable[Kind], proxies: Iterable[Proxy], tokens: Tokens) -> None:
    """Raise BenchError unless each proxy passes a good token on and, if it looks, no other."""
    for kind, proxy in zip(kinds, proxies, strict=True):
        shown: dict[str, tuple[str | None, int]] = {"a good token": (tokens.reused[0], 200)}
        if kind.verifies:
            shown |= {
                "a forged token": (tokens.forged, 401),
                "an expired token": (tokens.expired, 401),
                "no token": (None, 401),
            }
        for what, (token, expected) in shown.items():
            status = ask(proxy.port, ITEM, token)
            if status != expected:
                raise BenchError(f"{proxy.name} answers {what} with {status}, not {expected}")
