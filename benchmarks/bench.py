"""What every measure is given: how much to measure, with what, and where."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.application import Application
from benchmarks.fleet import Proxy, check_answers, running
from benchmarks.machine import Cores
from benchmarks.proxies.kind import Kind
from benchmarks.tokens import Tokens

_Measured = TypeVar("_Measured")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured."""

    rounds: int = 5
    seconds: int = 5
    rate: int = 2000
    reused_tokens: int = 1000
    fresh_tokens: int = 60_000
    stream_bytes: int = 1 << 30
    connections: int = 1000
    live_tokens: int = 10_000
    ledger_tokens: int = 100_000
    is_quick: bool = False

    def quick(self) -> "Amounts":
        """The least that shows that everything works; its figures say nothing."""
        return Amounts(
            rounds=1,
            seconds=1,
            rate=self.rate,
            fresh_tokens=4000,
            stream_bytes=1 << 26,
            connections=100,
            live_tokens=1000,
            ledger_tokens=1000,
            is_quick=True,
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: ``kinds`` are the proxies that are there, in the order in which they are shown."""

    amounts: Amounts
    kinds: Sequence[Kind]
    cores: Cores
    tokens: Tokens
    application: Application
    directory: Path

    @contextmanager
    def fleet(
        self, kinds: Sequence[Kind] | None = None, *, upstream_port: int | None = None
    ) -> Iterator[list[Proxy]]:
        """Fresh processes of the proxies, each of which was seen to do its work."""
        chosen = self.kinds if kinds is None else kinds
        port = upstream_port or self.application.port
        with running(chosen, self.directory, port, self.tokens, self.cores) as proxies:
            check_answers(chosen, proxies, self.tokens)
            yield proxies

    def write_tokens(self, name: str, tokens: Sequence[str]) -> Path:
        """A file with a token on each line, for a load generator."""
        path = self.directory / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text("\n".join(tokens) + "\n")
        return path


def turn(measured: Sequence[_Measured], round_number: int) -> list[_Measured]:
    """What is measured, mostly proxies, in this round's order: another one begins each time."""
    start = round_number % len(measured)
    return [*measured[start:], *measured[:start]]
