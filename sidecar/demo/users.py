"""The Users Backend of the demo: logs everybody in, and signs their tokens.

As in the reference system, the answer to a login is ``{"Authorization": "Bearer <JWT>"}``. It signs
with the last key of its directory in natural order, and looks there at each login; so giving it a
newer key switches it, and a replica that got none goes on with the old one. Nobody's password is
asked for.

Run as ``python -m sidecar.demo.users --port PORT --keys DIR --lifetime SECONDS``, on loopback
alone; started by ``demo.pods``.
"""

import argparse
import time
from pathlib import Path

from aiohttp import web

from sidecar.demo.serving import add_version, serve
from sidecar.tokens.keyring import natural_order
from sidecar.tokens.signer import Signer, parse_signer

LOGIN_PATH = "/api/login"


class Users:
    """``keys``: a directory of ``ID.key``. ``lifetime_s``: of each token."""

    def __init__(self, keys: Path, lifetime_s: int) -> None:
        self._keys = keys
        self._lifetime_s = lifetime_s
        self._signers: dict[str, Signer] = {}

    async def log_in(self, request: web.Request) -> web.Response:
        """Anybody who says a name is let in."""
        username = (await request.json()).get("username")
        if not isinstance(username, str) or not username:
            return web.json_response({"errors": {"username": "Name of the user"}}, status=400)
        now = int(time.time())
        claims = {"username": username, "iat": now, "exp": now + self._lifetime_s}
        key_id = self._newest()
        token = self._signer(key_id).sign(claims, key_id)
        return web.json_response({"Authorization": f"Bearer {token}"})

    def _newest(self) -> str:
        return max((path.stem for path in self._keys.glob("*.key")), key=natural_order)

    def _signer(self, key_id: str) -> Signer:
        if key_id not in self._signers:
            content = (self._keys / f"{key_id}.key").read_bytes()
            self._signers[key_id] = parse_signer(content)
        return self._signers[key_id]


def build_users(keys: Path, lifetime_s: int) -> web.Application:
    """The application."""
    application = web.Application()
    application.router.add_post(LOGIN_PATH, Users(keys, lifetime_s).log_in)
    add_version(application)
    return application


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="The Users Backend of the sidecar's demo.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--lifetime", type=int, required=True)
    arguments = parser.parse_args()
    serve(build_users(arguments.keys, arguments.lifetime), arguments.port)


if __name__ == "__main__":
    main()
