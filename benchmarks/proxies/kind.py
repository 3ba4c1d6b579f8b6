"""What a proxy is told, and what must be known to run it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for every proxy of a run; ``directory`` is the proxy's own."""

    directory: Path
    upstream_port: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Start:
    """How to start one: its command, its port, and what answers 200 once it is ready."""

    command: tuple[str | Path, ...]
    port: int
    ready_port: int
    ready_target: str
    ready_token: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A proxy that can be measured: what it runs, and whether it looks at tokens."""

    name: str
    program: str
    configure: Callable[[Setup], Start]
    verifies: bool = True
