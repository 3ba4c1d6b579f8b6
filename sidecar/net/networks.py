"""Networks as the configuration lists them, and whether a peer is of one.

Called by ``proxy.doorway`` for each connection, and by whoever else trusts by address.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from sidecar.setting import UNIX_PEERS

_MAX_REMEMBERED: Final = 1024


class Networks:
    """Several networks; ``unix`` among them stands for the peers of unix sockets."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = list(texts)
        self._has_unix = UNIX_PEERS in texts
        self._networks = [ip_network(text) for text in texts if text != UNIX_PEERS]
        self._lists = lru_cache(maxsize=_MAX_REMEMBERED)(self._is_listed)

    def __bool__(self) -> bool:
        return self._has_unix or bool(self._networks)

    def __contains__(self, peer: bytes) -> bool:
        """Whether the address text of a peer (``net.peer``) is of one of them."""
        return self._lists(peer)

    def _is_listed(self, peer: bytes) -> bool:
        text = peer.decode("ascii", "replace")
        if text == UNIX_PEERS:
            return self._has_unix
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
