"""What is to be redirected to the sidecar, as a value. Pure.

Inbound: connections from elsewhere to the application's ports reach the sidecar's inbound port.
Outbound, only where it is asked for: the application's own connections reach the sidecar's outbound
port. The sidecar's own traffic, known by its user, and whatever stays on loopback are left alone;
UDP and everything else that is not TCP as well.

Called by ``cli.intercept``; ``nftables`` and ``iptables`` make rules of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import combinations, pairwise
from typing import Final

from sidecar.errors import ConfigError
from sidecar.setting import PortRange

Network = IPv4Network | IPv6Network

_MAX_ID: Final = 2**32 - 2  # uid_t; the last one means "no user"
_EVERY_PORT: Final = PortRange(1, 65535)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``ports`` empty: every port. ``to``, ``admin`` and ``outbound_to``: the ports of the sidecar,
    which runs as ``uid``; ``outbound_to`` None: the application's calls are left alone."""

    ports: tuple[PortRange, ...]
    to: int
    admin: int
    uid: int
    except_ports: tuple[PortRange, ...] = ()
    except_sources: tuple[Network, ...] = ()
    outbound_to: int | None = None
    outbound_except_ports: tuple[PortRange, ...] = ()
    outbound_except_networks: tuple[Network, ...] = ()

    @property
    def own_ports(self) -> dict[str, int]:
        """The sidecar's own, which stay reachable as they are, by the option that names each."""
        named = {"to": self.to, "admin": self.admin, "outbound-to": self.outbound_to}
        return {option: port for option, port in named.items() if port is not None}

    @property
    def spared(self) -> tuple[PortRange, ...]:
        """The inbound ports that are not redirected, in order, none twice."""
        own = (PortRange(port, port) for port in self.own_ports.values())
        return joined((*self.except_ports, *own))


def check_plan(
    plan: Plan, *, app_uid: int | None = None, listening: Mapping[int, int] | None = None
) -> Plan:
    """The plan, if it can be meant; raises :class:`ConfigError` with everything that is wrong.

    ``app_uid``: the user that the application runs as, where it is known. ``listening``: who
    listens, a user for each port.
    """
    problems = [
        *_problems_of_ports(plan),
        *_problems_of_exceptions(plan),
        *_problems_of_users(plan, app_uid, listening or {}),
    ]
    if problems:
        raise ConfigError(problems)
    return plan


def parse_network(text: str) -> Network:
    """A network such as ``10.0.0.0/8`` or ``fd00::/8``, or one address.

    Raises ValueError, with a phrase that says what is wrong.
    """
    try:
        network = ip_network(text)
    except ValueError:
        network = None
    if network is None or "%" in text:  # an interface may be named after it, which no rule can have
        raise ValueError("is not a network such as 10.0.0.0/8 or fd00::/8")
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError("is IPv4 within IPv6, which no packet has; write it as IPv4")
    return network


def joined(ranges: Sequence[PortRange]) -> tuple[PortRange, ...]:
    """The same ports in as few ranges as can be, in order."""
    result: list[PortRange] = []
    for each in sorted(ranges, key=lambda one: (one.first, one.last)):
        if result and each.first <= result[-1].last + 1:
            result[-1] = PortRange(result[-1].first, max(result[-1].last, each.last))
        else:
            result.append(each)
    return tuple(result)


def _problems_of_ports(plan: Plan) -> Iterator[str]:
    named = {
        "ports": plan.ports,
        "except-ports": plan.except_ports,
        "outbound-except-ports": plan.outbound_except_ports,
    }
    for option, ranges in named.items():
        yield from (f"--{option}: {one} and {two} overlap" for one, two in _overlaps(ranges))
    for port in sorted(set(plan.own_ports.values())):
        if any(port in each for each in plan.ports):
            yield (f"--ports: {port} is a port of the sidecar itself; name the application's ports")
    for one in plan.ports or (_EVERY_PORT,):
        for two in joined(plan.except_ports):
            if two.first <= one.first and one.last <= two.last:
                of = one if plan.ports else "all"
                yield f"--except-ports: {two} leaves nothing of --ports {of}"
    for (first, port), (second, other) in combinations(plan.own_ports.items(), 2):
        if port == other:
            yield f"--{second}: {port} is --{first} too; each needs a port of its own"


def _problems_of_exceptions(plan: Plan) -> Iterator[str]:
    sources = plan.except_sources
    four = collapse_addresses(each for each in sources if isinstance(each, IPv4Network))
    six = collapse_addresses(each for each in sources if isinstance(each, IPv6Network))
    together: list[Network] = [*four, *six]
    for network in together:
        if network.prefixlen == 0:
            yield f"--except-sources: {network} is everybody, so nothing would be verified"
    of_calls = {
        "outbound-except-ports": plan.outbound_except_ports,
        "outbound-except-networks": plan.outbound_except_networks,
    }
    for option, excepted in of_calls.items():
        if excepted and plan.outbound_to is None:
            yield f"--{option}: no call is redirected; give --outbound-to too"


def _problems_of_users(
    plan: Plan, app_uid: int | None, listening: Mapping[int, int]
) -> Iterator[str]:
    if not 0 <= plan.uid <= _MAX_ID:
        yield f"--uid: {plan.uid} is no user id"
    if app_uid is not None and app_uid == plan.uid:
        yield (
            f"--uid: {plan.uid} is the application's user too, so its traffic would be taken for "
            "the sidecar's; run the two as different users"
        )
    for port, uid in sorted(listening.items()):
        # Where every port is redirected, some may be the sidecar's that are not known here.
        if uid == plan.uid and any(port in each for each in plan.ports):
            yield (
                f"--uid: {uid} is the user that listens at port {port}, the application's; run the "
                "sidecar as a user of its own"
            )


def _overlaps(ranges: Sequence[PortRange]) -> Iterator[tuple[PortRange, PortRange]]:
    ordered = sorted(ranges, key=lambda one: (one.first, one.last))
    for one, two in pairwise(ordered):
        if one.overlaps(two):
            yield one, two
