"""HAProxy in TCP mode: bytes both ways, beside which opaque ports are set."""

from pathlib import Path

_CONFIGURATION = """
global
    nbthread 1
    maxconn 4000

defaults
    mode tcp
    timeout connect 5s
    timeout client 75s
    timeout server 75s
"""

_WAY = """
listen way{number}
    bind 127.0.0.1:{port}
    server application 127.0.0.1:{target}
"""


def write_tcp_configuration(path: Path, ways: dict[int, int]) -> None:
    """A listener for each port of ``ways``, which goes to the port beside it."""
    listeners = [
        _WAY.format(number=number, port=port, target=target)
        for number, (port, target) in enumerate(ways.items())
    ]
    path.write_text(_CONFIGURATION + "".join(listeners))
