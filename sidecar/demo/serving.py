"""What the three applications of the demo have in common: loopback, a version, a quiet end.

Called by the ``main`` of ``demo.users``, ``demo.thoughts`` and ``demo.frontend``.
"""

import os

from aiohttp import web

#: Where each says which version it is, as in the reference system.
VERSION_PATH = "/admin/version/"


def add_version(application: web.Application) -> None:
    """Answer what the image was stamped with, which the environment says."""
    version = {
        "version": os.environ.get("VERSION_NAME", "unknown"),
        "commit": os.environ.get("VERSION_SHA", "unknown"),
    }

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(version)

    application.router.add_get(VERSION_PATH, answer)


def serve(application: web.Application, port: int) -> None:
    """Serve on loopback alone, until SIGTERM."""
    web.run_app(
        application,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=None,
        shutdown_timeout=0.5,
    )
