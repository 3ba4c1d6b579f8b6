"""nginx with a plain ``proxy_pass``: what a good proxy costs that looks at no token."""

from benchmarks.http import ITEM, free_port
from benchmarks.nginx import nginx_command
from benchmarks.proxies.kind import Kind, Setup, Start

_SERVER = """
    client_max_body_size 0;
    upstream application {{
        server 127.0.0.1:{upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
"""


def configure(setup: Setup) -> Start:
    """Write its configuration."""
    port = free_port()
    servers = _SERVER.format(port=port, upstream_port=setup.upstream_port)
    command = nginx_command(setup.directory, servers)
    return Start(command, port, ready_port=port, ready_target=ITEM)


KIND = Kind("nginx", "nginx", configure, verifies=False)
