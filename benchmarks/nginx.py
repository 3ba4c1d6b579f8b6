"""nginx as one process with a configuration of its own, as a proxy and as the application."""

from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.programs import find_program

# Without a master there is one process, and its id is the one that was started. No worker shares
# the machine with it here, so it is as fast as with one.
_FRAME = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{servers}
}}
"""


def nginx_command(directory: Path, servers: str) -> tuple[str | Path, ...]:
    """Write its configuration into the directory and say how to run it; it stays in front."""
    program = find_program("nginx")
    if program is None:
        raise BenchError("nginx is not installed")
    path = directory / "nginx.conf"
    path.write_text(_FRAME.format(directory=directory, servers=servers))
    return (program, "-p", directory, "-e", directory / "error.log", "-c", path)
