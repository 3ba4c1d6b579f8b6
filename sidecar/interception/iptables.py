"""The rules of a plan for iptables-restore(8), where there is no nft. Pure.

Two chains of our own in the table ``nat``, and one jump to each. IPv4 and IPv6 have rules of their
own: a rule that names a network of the other family is left out. Called by ``apply``.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from sidecar.interception.plan import Network, Plan
from sidecar.setting import PortRange

#: The hook that leads into each of our chains.
JUMPS: Final = {"SIDECAR_INBOUND": "PREROUTING", "SIDECAR_OUTBOUND": "OUTPUT"}
#: Where ``show`` writes the wanted rules down, without force, to compare them.
WANTED_SUFFIX: Final = "_W"

_LOOPBACK: Final = {4: "127.0.0.0/8", 6: "::1/128"}


def build_chains(plan: Plan, family: int, *, suffix: str = "") -> str:
    """Input of ``iptables-restore --noflush`` (``family`` 4) or of ``ip6tables-restore`` (6): both
    chains, replaced whole. Nothing leads into them yet."""
    chains = {name: list(rules) for name, rules in _chains(plan, family).items()}
    declared = "".join(f":{name}{suffix} - [0:0]\n" for name in chains)
    rules = "".join(
        f"-A {name}{suffix} {rule}\n" for name, lines in chains.items() for rule in lines
    )
    return f"*nat\n{declared}{rules}COMMIT\n"


def build_jumps(names: Sequence[str]) -> str:
    """The same for the jumps into those chains."""
    return (
        "*nat\n" + "".join(f"-I {JUMPS[name]} 1 -p tcp -j {name}\n" for name in names) + "COMMIT\n"
    )


def wanted_jumps(plan: Plan) -> tuple[str, ...]:
    """The chains that something has to lead into."""
    return tuple(JUMPS) if plan.outbound_to is not None else ("SIDECAR_INBOUND",)


def _chains(plan: Plan, family: int) -> dict[str, Iterator[str]]:
    chains = {"SIDECAR_INBOUND": _inbound(plan, family)}
    if plan.outbound_to is not None:
        chains["SIDECAR_OUTBOUND"] = _outbound(plan, plan.outbound_to, family)
    return chains


def _inbound(plan: Plan, family: int) -> Iterator[str]:
    yield "-i lo -j RETURN"
    yield "-m addrtype ! --dst-type LOCAL -j RETURN"
    yield from _of_networks(plan.except_sources, "-s", family)
    yield from (f"-p tcp {_port(each)} -j RETURN" for each in plan.spared)
    for selected in [_port(each) for each in plan.ports] or [""]:
        yield f"-p tcp {selected} -j REDIRECT --to-ports {plan.to}".replace("  ", " ")


def _outbound(plan: Plan, to: int, family: int) -> Iterator[str]:
    yield f"-m owner --uid-owner {plan.uid} -j RETURN"
    yield "-o lo -j RETURN"
    yield f"-d {_LOOPBACK[family]} -j RETURN"
    yield from _of_networks(plan.outbound_except_networks, "-d", family)
    yield from (f"-p tcp {_port(each)} -j RETURN" for each in plan.outbound_except_ports)
    yield f"-p tcp -j REDIRECT --to-ports {to}"


def _of_networks(networks: Sequence[Network], flag: str, family: int) -> Iterator[str]:
    kind = IPv4Network if family == 4 else IPv6Network
    return (f"{flag} {network} -j RETURN" for network in networks if isinstance(network, kind))


def _port(ports: PortRange) -> str:
    return f"-m tcp --dport {str(ports).replace('-', ':')}"
