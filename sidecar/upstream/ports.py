"""The application at the ports that connections were made to before they were redirected.

Each port has a way of its own, made when it is first needed and forgotten when it is not, so that
nobody who tries many ports makes us remember them. Goes to no port that is not listed, to none of
our own, and to no address that is not this host's: a packet that was merely routed through here
must not turn the sidecar into a way to elsewhere.

Takes the place of an ``upstream.client`` where ``upstream`` is ``original-dst``.
"""

import asyncio
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from sidecar.errors import Draining, NotIntercepted, PortNotServed
from sidecar.setting import Address, PortRange, parse_upstream_url
from sidecar.upstream.client import Upstream
from sidecar.upstream.settings import UpstreamSettings

_LOOPBACKS = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the sidecar knows of the host: the TCP ports that it listens on itself, and whether an
    IP address is one of the host's."""

    own_ports: Set[int]
    is_of_this_host: Callable[[str], bool]

    def is_ourselves(self, destination: Address) -> bool:
        """Whether a connection to there would come back to this sidecar."""
        return destination.port in self.own_ports and (
            destination.host in ("0.0.0.0", "::") or self.is_of_this_host(destination.host)
        )


class ApplicationPorts:
    """The ways to the application. ``opaque`` are the ports whose bytes pass unread; ``asked_url``
    is where the sidecar itself asks the application."""

    def __init__(
        self,
        settings: UpstreamSettings,
        opaque: Sequence[PortRange],
        loop: asyncio.AbstractEventLoop,
        surroundings: Surroundings,
        asked_url: str | None,
    ) -> None:
        self._settings = settings
        self._opaque = opaque
        self._loop = loop
        self._surroundings = surroundings
        self._uses_loopback = settings.host == "loopback"
        # By host and port: a tuple is found in a fraction of the time, twice for each request.
        self._ways: dict[tuple[str, int], Upstream] = {}
        self._unused: set[tuple[str, int]] = set()  # at the last sweep
        self._is_closed = False
        self._fallback = self._open(settings.fallback)
        #: The way of the sidecar's own questions.
        self.asked = self._fallback or self._open(asked_url)

    def __repr__(self) -> str:
        return f"<ApplicationPorts {len(self._ways)} in use>"

    def is_opaque(self, port: int) -> bool:
        """Whether the bytes of connections to this port pass unread."""
        return any(port in ports for ports in self._opaque)

    def admit(self, destination: Address | None) -> None:
        """See whether a request may go to where its connection was made to; ``None`` where that was
        not redirected.

        Raises :class:`NotIntercepted` or :class:`PortNotServed`.
        """
        if destination is None:
            if self._fallback is None:
                raise NotIntercepted
        elif (destination.host, destination.port) not in self._ways:
            self._check(destination)

    def reach(self, destination: Address | None) -> Upstream:
        """The way to there. Raises as :meth:`admit` does."""
        if destination is None:
            if self._fallback is None:
                raise NotIntercepted
            return self._fallback
        place = destination.host, destination.port
        way = self._ways.get(place)
        if way is None:
            if self._is_closed:
                raise Draining
            addresses = self._check(destination)
            way = self._ways[place] = Upstream(self._settings, self._loop, addresses)
        return way

    def addresses(self, destination: Address) -> tuple[Address, ...]:
        """Where to connect to for this destination, in this order.

        Raises :class:`PortNotServed` where that would be ourselves, or another host.
        """
        port = destination.port
        if port in self._surroundings.own_ports:
            raise PortNotServed
        if not self._surroundings.is_of_this_host(destination.host):
            raise PortNotServed("The address that was connected to is not this host's.")
        if self._uses_loopback:
            hosts = _LOOPBACKS if ":" not in destination.host else _LOOPBACKS[::-1]
            return tuple(Address(host, port) for host in hosts)
        return (destination,)

    def sweep(self) -> None:
        """As the ways' own; forgets those that nobody has used since the last time."""
        for way in self._ways.values():
            way.sweep()
        unused = {place for place, way in self._ways.items() if way.is_unused}
        for place in unused & self._unused:
            del self._ways[place]
        self._unused = unused
        if self.asked is not None:
            self.asked.sweep()

    def close(self) -> None:
        """Close every connection; nothing is lent from now on."""
        self._is_closed = True
        for way in [*self._ways.values(), *([self.asked] if self.asked else [])]:
            way.close()

    def _check(self, destination: Address) -> tuple[Address, ...]:
        if not self._is_listed(destination.port):
            raise PortNotServed
        return self.addresses(destination)

    def _is_listed(self, port: int) -> bool:
        listed = self._settings.ports
        if self._uses_loopback or listed:
            return any(port in ports for ports in listed)
        return not self.is_opaque(port)

    def _open(self, url: str | None) -> Upstream | None:
        if url is None:
            return None
        return Upstream(self._settings, self._loop, (parse_upstream_url(url),))
