"""HAProxy with ``jwt_verify``: algorithm, signature and expiry, as its manual shows it."""

from benchmarks.errors import BenchError
from benchmarks.http import ITEM, free_port
from benchmarks.programs import find_program
from benchmarks.proxies.kind import Kind, Setup, Start

_CONFIGURATION = """
global
    nbthread 1
    maxconn 4000

defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 75s
    timeout http-keep-alive 75s
    http-reuse always

frontend inbound
    bind 127.0.0.1:{port}
    option forwardfor
    http-request set-var(txn.token) http_auth_bearer
    http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
    http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{key}") 1 }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    default_backend application

backend application
    server application 127.0.0.1:{upstream_port}
"""


def configure(setup: Setup) -> Start:
    """Write its configuration."""
    program = find_program("haproxy")
    if program is None:
        raise BenchError("HAProxy is not installed")
    port, path = free_port(), setup.directory / "haproxy.cfg"
    path.write_text(
        _CONFIGURATION.format(
            port=port, key=setup.tokens.public_key, upstream_port=setup.upstream_port
        )
    )
    command = (program, "-db", "-f", path)
    return Start(command, port, port, ITEM, ready_token=setup.tokens.reused[0])


KIND = Kind("haproxy", "haproxy", configure)
