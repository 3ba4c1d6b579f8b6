"""The application behind every proxy: nginx with a small JSON answer and a large file, and a sink.

All of it runs on the load's cores, once for a whole run.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.http import ITEM, free_port, is_answering, wait_for
from benchmarks.machine import Cores
from benchmarks.nginx import nginx_command
from benchmarks.processes import Process, started

LARGE_FILE = "/files/large"
_START_S = 10.0
_POLL_S = 0.02

_SERVER = """
    sendfile on;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = {item} {{
            default_type application/json;
            return 200 '{{"id": 7, "text": "A thought, as short as most.", "username": "ann"}}';
        }}
        location /files/ {{ root {directory}; }}
        # Answered when the whole body is there: nginx itself would answer before.
        location /upload {{ client_max_body_size 0; proxy_pass http://127.0.0.1:{sink_port}; }}
    }}
"""


@dataclass(frozen=True, slots=True)
class Application:
    """Where it listens: ``port`` answers, ``sink_port`` takes uploads."""

    port: int
    sink_port: int


@contextmanager
def running_application(
    directory: Path, cores: Cores, large_file_bytes: int
) -> Iterator[Application]:
    """Run it for as long as the context lasts."""
    port, sink_port = free_port(), free_port()
    _make_large_file(directory, large_file_bytes)
    server = _SERVER.format(port=port, item=ITEM, directory=directory, sink_port=sink_port)
    nginx = nginx_command(directory, server)
    sink = (sys.executable, "-m", "benchmarks.sink", str(sink_port))
    with (
        started("the application", nginx, cores.load, directory / "nginx.log") as first,
        started("the sink", sink, cores.load, directory / "sink.log") as second,
    ):
        _wait_for(first, port)
        _wait_for(second, sink_port)
        yield Application(port, sink_port)


def _wait_for(process: Process, port: int) -> None:
    if not wait_for(lambda: is_answering(port, ITEM, None), _START_S, _POLL_S):
        process.check()
        raise BenchError(f"{process.name} does not answer")


def _make_large_file(directory: Path, size: int) -> None:
    """A file of holes: it costs no disk, and reading it costs what a cached file costs."""
    path = directory / LARGE_FILE.removeprefix("/")
    path.parent.mkdir()
    path.touch()
    os.truncate(path, size)
