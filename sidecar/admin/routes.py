"""The admin port's web application: which path answers what.

It reads what ``app.build`` hands it and computes nothing of its own. It refuses to change anything
but through ``POST /drain``, and that only for peers on this machine (the pod's own preStop hook,
``kubectl port-forward``) and never for a page in a browser.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from aiohttp import web, web_response
from prometheus_client import CollectorRegistry

from sidecar.admin.console import Console
from sidecar.admin.local_names import refuse_other_names
from sidecar.admin.readiness import Readiness
from sidecar.metrics.registry import expose

_log = logging.getLogger("sidecar.admin")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "sidecar",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class AdminView:
    """What the admin port shows. The callables are asked for each answer, and must be quick."""

    readiness: Readiness
    registry: CollectorRegistry
    version: Callable[[], Mapping[str, Any]]
    keys_report: Callable[[], Mapping[str, Any]]
    dependencies_report: Callable[[], Mapping[str, Any]]
    config_report: Callable[[], Mapping[str, Any]]
    console: Console
    drain: Callable[[], None]


def build_page(console: Console, *, is_local: bool = False) -> web.Application:
    """A console, and nothing else, to be served by a runner of the caller's. ``is_local``: on
    loopback, for this machine alone."""
    # Requests that are no HTTP are answered by aiohttp before any handler of ours, with this.
    web_response.SERVER_SOFTWARE = "sidecar"  # type: ignore[attr-defined]
    guards = [_answer_as_agreed, *([refuse_other_names] if is_local else [])]
    app = web.Application(middlewares=guards, client_max_size=1024)
    app.on_response_prepare.append(_add_headers)
    console.join(app)
    return app


def build_admin(view: AdminView) -> web.Application:
    """The application, to be served by a runner of the caller's."""
    app = build_page(view.console)
    routes = _Routes(view)
    app.add_routes(
        [
            web.get("/live", routes.live),
            web.get("/ready", routes.ready),
            web.get("/metrics", routes.metrics),
            web.get("/version", routes.version),
            web.get("/keys", routes.keys),
            web.get("/dependencies", routes.dependencies),
            web.get("/config", routes.config),
            web.post("/drain", routes.drain),
        ]
    )
    return app


class _Routes:
    """The handlers; aiohttp answers HEAD with each GET's head."""

    def __init__(self, view: AdminView) -> None:
        self._view = view

    async def live(self, _: web.Request) -> web.Response:
        return _json({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        reasons = self._view.readiness.reasons()
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return _json({"ready": not reasons, "reasons": dict(reasons)}, status)

    async def metrics(self, request: web.Request) -> web.Response:
        accept = ",".join(request.headers.getall("Accept", ()))
        body, media_type = expose(self._view.registry, accept)
        return web.Response(body=body, headers={"Content-Type": media_type, "Vary": "Accept"})

    async def version(self, _: web.Request) -> web.Response:
        return _json(self._view.version())

    async def keys(self, _: web.Request) -> web.Response:
        return _json(self._view.keys_report())

    async def dependencies(self, _: web.Request) -> web.Response:
        return _json(self._view.dependencies_report())

    async def config(self, _: web.Request) -> web.Response:
        return _json(self._view.config_report())

    async def drain(self, request: web.Request) -> web.Response:
        if not _is_from_this_machine(request) or "Origin" in request.headers:
            return _problem(
                HTTPStatus.FORBIDDEN, "forbidden", "Only a local client, no browser, may drain."
            )
        _log.info("A local client asked for the drain.")
        self._view.drain()
        return _json({"draining": True}, HTTPStatus.ACCEPTED)


@web.middleware
async def _answer_as_agreed(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every failure is a problem document."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as refusal:
        allowed = ", ".join(sorted(refusal.allowed_methods))
        response = _problem(
            HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", f"This path answers {allowed}."
        )
        response.headers["Allow"] = allowed
        return response
    except web.HTTPNotFound:
        return _problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such path here.")
    except web.HTTPServiceUnavailable as refusal:
        response = _problem(HTTPStatus.SERVICE_UNAVAILABLE, "over_limit", refusal.reason)
        response.headers["Retry-After"] = refusal.headers["Retry-After"]
        return response
    except web.HTTPException as refusal:
        return _problem(HTTPStatus(refusal.status), "bad_request", refusal.reason)
    except Exception:
        _log.exception("An admin request failed.")
        return _problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The sidecar failed to answer."
        )


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Every answer carries our header fields."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _is_from_this_machine(request: web.Request) -> bool:
    """Whether the connection itself, not a header field, comes from loopback or a unix socket."""
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    if isinstance(peer, str | bytes):  # a unix socket's peer has a path, mostly an empty one
        return True
    if not isinstance(peer, tuple):
        return False
    try:
        address = ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _json(value: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")


def _problem(status: HTTPStatus, reason: str, detail: str) -> web.Response:
    """RFC 9457."""
    response = _json(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "detail": detail,
            "reason": reason,
        },
        status,
    )
    response.content_type = "application/problem+json"
    return response
