"""The rules of a plan in the language of nft(8): one table of our own, nothing outside of it. Pure.

The same plan gives the same text. The table is replaced whole, in one transaction: there is no
moment with half of the rules, and none without. Called by ``backends``.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Network
from typing import Final

from sidecar.interception.plan import Network, Plan, joined
from sidecar.setting import PortRange

TABLE: Final = "sidecar"
#: Before iptables' own table ``nat`` (-100): who comes first decides where a connection goes.
_PRIORITY: Final = -110
#: Where ``show`` writes the wanted rules down, without force, to compare them.
WANTED_TABLE: Final = "sidecar_wanted"

# As ``nft -y list chains`` prints a table, a chain of it, and what leads into the chain.
_TABLE_LINE: Final = re.compile(r"table (\w+ \S+) \{")
_CHAIN_LINE: Final = re.compile(r"\tchain (\S+) \{")
_NAT_LINE: Final = re.compile(r"\t\ttype nat hook (\w+) priority (-?\d+);.*")


def build_script(plan: Plan, *, name: str = TABLE, is_dormant: bool = False) -> str:
    """What replaces our table, whether it is there or not; a dormant one has no effect."""
    chains = [_chain("inbound", "prerouting", _inbound(plan))]
    if plan.outbound_to is not None:
        chains.append(_chain("outbound", "output", _outbound(plan, plan.outbound_to)))
    flags = "\tflags dormant\n" if is_dormant else ""
    table = f"table inet {name} {{\n{flags}" + "\n".join(chains) + "}\n"
    return f"add table inet {name}\ndelete table inet {name}\n{table}"


def chains_before_ours(listing: str) -> list[str]:
    """Of the chains that ``nft -y list chains`` prints, those of others that translate addresses
    before ours in a hook that ours has; each as ``ip nat PREROUTING``."""
    table = chain = ""
    found: list[tuple[str, str, int]] = []
    our_hooks: set[str] = set()
    for line in listing.splitlines():
        if match := _TABLE_LINE.fullmatch(line):
            table = match[1]
        elif match := _CHAIN_LINE.fullmatch(line):
            chain = match[1]
        elif match := _NAT_LINE.fullmatch(line):
            if table == f"inet {TABLE}":
                our_hooks.add(match[1])
            elif table != f"inet {WANTED_TABLE}":
                found.append((f"{table} {chain}", match[1], int(match[2])))
    # Of those with our own priority, the one that was made last comes first.
    return [name for name, hook, at in found if hook in our_hooks and at <= _PRIORITY]


def rules_of(listing: str) -> list[str]:
    """The rules that ``nft list chain`` prints, without what leads into the chain."""
    lines = (line.strip() for line in listing.splitlines() if line.startswith("\t\t"))
    return [line for line in lines if not line.startswith("type ")]


def _chain(name: str, hook: str, rules: Iterator[str]) -> str:
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return (
        f"\tchain {name} {{\n\t\ttype nat hook {hook} priority {_PRIORITY}; policy accept;\n"
        f"{lines}\t}}\n"
    )


def _inbound(plan: Plan) -> Iterator[str]:
    yield 'iifname "lo" return'
    yield "fib daddr type != local return"  # what is only routed through here is not ours
    yield from _of_networks(plan.except_sources, "saddr")
    yield from _of_ports(plan.spared)
    selected = f"tcp dport {_set(plan.ports)}" if plan.ports else "meta l4proto tcp"
    yield f"{selected} redirect to :{plan.to}"


def _outbound(plan: Plan, to: int) -> Iterator[str]:
    yield f"meta skuid {plan.uid} return"
    yield 'oifname "lo" return'
    yield "ip daddr 127.0.0.0/8 return"
    yield "ip6 daddr ::1 return"
    yield from _of_networks(plan.outbound_except_networks, "daddr")
    yield from _of_ports(plan.outbound_except_ports)
    yield f"meta l4proto tcp redirect to :{to}"


def _of_ports(ranges: Sequence[PortRange]) -> Iterator[str]:
    if ranges:
        yield f"tcp dport {_set(ranges)} return"


def _of_networks(networks: Sequence[Network], side: str) -> Iterator[str]:
    for network in networks:
        family = "ip6" if isinstance(network, IPv6Network) else "ip"
        yield f"{family} {side} {network} return"


def _set(ranges: Sequence[PortRange]) -> str:
    return f"{{ {', '.join(map(str, joined(ranges)))} }}"
