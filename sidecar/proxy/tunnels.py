"""The tunnels that are open, and their end: a tunnel does not outlive the token that opened it.

``app.lifecycle`` sweeps them several times a second, so a tunnel ends within a second of its key's
removal and, by default, of its token's expiry.
"""

import asyncio
from collections.abc import Callable

from sidecar.proxy.exchange import Exchange
from sidecar.proxy.settings import TunnelSettings
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.permit import Permit
from sidecar.upstream.connection import UpstreamConnection
from sidecar.upstream.tunnel import Tunnel


class Tunnels:
    """Every open tunnel with the permit that it was opened on."""

    def __init__(
        self,
        settings: TunnelSettings,
        loop: asyncio.AbstractEventLoop,
        *,
        leeway_s: float,
        enforces: bool,
    ) -> None:
        """``enforces``: tokens are refused for real (``auth.mode: enforce``)."""
        self._settings = settings
        self._enforces = enforces
        self._leeway_s = leeway_s
        self._loop = loop
        self._open: dict[Tunnel, Permit | None] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def run(self, x: Exchange, upstream: UpstreamConnection, head: bytes) -> None:
        """Join client and application until both are done, or the tunnel is cut."""
        x.status = 101
        x.keep_alive = False
        client = x.connection.as_flow()
        client.write(head)
        from_client, from_upstream = x.connection.take_early_bytes(), upstream.take_early_bytes()
        tunnel = Tunnel(client, upstream, self._loop)
        self._open[tunnel] = x.permit
        try:
            tunnel.open(from_client, from_upstream)
            await tunnel.done
        finally:
            x.bytes_out += tunnel.bytes_to_client
            del self._open[tunnel]
            tunnel.close()

    def sweep(self, keyring: Callable[[], Keyring], now: float) -> None:
        """Cut the tunnels whose permit no longer holds; ``now`` in unix seconds."""
        if not self._open or not self._enforces:
            return
        current = keyring()
        for tunnel, permit in list(self._open.items()):
            if permit is not None and not self._holds(permit, current, now):
                tunnel.cut()

    def cut_all(self) -> None:
        """Cut every tunnel: the sidecar ends."""
        for tunnel in list(self._open):
            tunnel.cut()

    def _holds(self, permit: Permit, keyring: Keyring, now: float) -> bool:
        token = permit.token
        if token is None:
            return True
        key = keyring.by_id.get(token.key_id)
        if key is None or key.thumbprint != token.key.thumbprint:
            return False
        if token.token_id in keyring.revoked_tokens:
            return False
        if self._settings.end != "expiry" or token.expires_at is None:
            return True
        return now <= token.expires_at + self._leeway_s
