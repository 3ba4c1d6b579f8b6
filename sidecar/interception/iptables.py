"""The rules of a plan for iptables-restore(8), where there is no nft. Pure.

Two chains of our own in the table ``nat``, and one jump to each, which is the first rule of its
hook. IPv4 and IPv6 have rules of their own: a rule that names a network of the other family is
left out. Rules are lines as ``iptables -S`` prints them. Called by ``backends``.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise
from typing import Final

from sidecar.interception.plan import Network, Plan, joined
from sidecar.setting import PortRange

#: Where ``show`` writes the wanted rules down, without force, to compare them.
WANTED_SUFFIX: Final = "_W"

_INBOUND: Final = "SIDECAR_INBOUND"
_OUTBOUND: Final = "SIDECAR_OUTBOUND"
#: The hook that leads into each of our chains.
_HOOKS: Final = {_INBOUND: "PREROUTING", _OUTBOUND: "OUTPUT"}
_OURS: Final = frozenset(f"{name}{suffix}" for name in _HOOKS for suffix in ("", WANTED_SUFFIX))
_QUOTED: Final = re.compile(r'"(?:\\.|[^"\\])*"')
_LOOPBACK: Final = {4: "127.0.0.0/8", 6: "::1/128"}


def chain_rules(plan: Plan, family: int, *, suffix: str = "") -> list[str]:
    """Our chains, for ``iptables`` (``family`` 4) or ``ip6tables`` (6). Nothing leads into them."""
    lines = []
    for name, rules in _chains(plan, family).items():
        lines.append(f"-N {name}{suffix}")
        lines += [f"-A {name}{suffix} {rule}" for rule in rules]
    return lines


def jump_rules(plan: Plan) -> list[str]:
    """What leads into them."""
    names = [_INBOUND, *([_OUTBOUND] if plan.outbound_to is not None else [])]
    return [f"-A {_HOOKS[name]} -p tcp -j {name}" for name in names]


def select_ours(listing: Sequence[str]) -> list[str]:
    """Of all rules of the table, those of our chains, and those that lead into them."""
    return [line for line in listing if _chain_of(line) in _OURS or _is_jump(line)]


def is_ours_within(table: str) -> bool:
    """Whether one of our chains is in a table that ``nft`` prints."""
    return any(f"chain {name} {{" in table for name in _OURS)


def before_ours(listing: Sequence[str]) -> list[str]:
    """Of all rules of the table, those of others that a hook of ours takes before our jump."""
    first: list[str] = []
    for hook in _HOOKS.values():
        rules = [line for line in listing if line.startswith(f"-A {hook} ")]
        jump = next((index for index, line in enumerate(rules) if _is_jump(line)), 0)
        first += rules[:jump]
    return first


def without_suffix(lines: Sequence[str]) -> list[str]:
    """The lines that ``show`` wrote down, as they would be in force."""
    return [
        line.replace(f"{WANTED_SUFFIX} ", " ", 1)
        for line in lines
        if _chain_of(line).endswith(WANTED_SUFFIX) and line.startswith("-A ")
    ]


def without_declarations(lines: Sequence[str]) -> list[str]:
    """The rules alone, each chain's in their order, the chains by name."""
    return sorted((line for line in lines if line.startswith("-A ")), key=_chain_of)


def build_replacement(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Input of ``iptables-restore --noflush`` that puts ``wanted`` in the place of ``found``, both
    of them only ours, in one transaction: there is no moment with half of either."""
    there, asked = _declared(found), _declared(wanted)
    lines = [f":{name} - [0:0]" for name in sorted({*there, *asked})]  # made, or emptied
    lines += [f"-D{line[2:]}" for line in found if _is_jump(line)]
    lines += [line for line in wanted if line.startswith("-A ") and not _is_jump(line)]
    jumps = [line.split(" ", 2) for line in wanted if _is_jump(line)]
    lines += [f"-I {hook} 1 {rule}" for _, hook, rule in reversed(jumps)]
    lines += [f"-X {name}" for name in sorted(set(there) - set(asked))]
    return "\n".join(["*nat", *lines, "COMMIT", ""])


def _declared(lines: Sequence[str]) -> list[str]:
    return [_chain_of(line) for line in lines if line.startswith("-N ")]


def _chain_of(line: str) -> str:
    """The chain that a line belongs to."""
    return line.split()[1]


def _is_jump(line: str) -> bool:
    words = _QUOTED.sub("", line).split()  # a comment may name our chains as well
    if words[0] != "-A" or words[1] in _OURS:
        return False
    return any(flag in ("-j", "-g") and target in _OURS for flag, target in pairwise(words))


def _chains(plan: Plan, family: int) -> dict[str, Iterator[str]]:
    chains = {_INBOUND: _inbound(plan, family)}
    if plan.outbound_to is not None:
        chains[_OUTBOUND] = _outbound(plan, plan.outbound_to, family)
    return chains


def _inbound(plan: Plan, family: int) -> Iterator[str]:
    yield "-i lo -j RETURN"
    yield "-m addrtype ! --dst-type LOCAL -j RETURN"
    yield from _of_networks(plan.except_sources, "-s", family)
    yield from (f"-p tcp {_port(each)} -j RETURN" for each in plan.spared)
    for selected in [f"{_port(each)} " for each in joined(plan.ports)] or [""]:
        yield f"-p tcp {selected}-j REDIRECT --to-ports {plan.to}"


def _outbound(plan: Plan, to: int, family: int) -> Iterator[str]:
    yield f"-m owner --uid-owner {plan.uid} -j RETURN"
    yield "-o lo -j RETURN"
    yield f"-d {_LOOPBACK[family]} -j RETURN"
    yield from _of_networks(plan.outbound_except_networks, "-d", family)
    yield from (f"-p tcp {_port(each)} -j RETURN" for each in joined(plan.outbound_except_ports))
    yield f"-p tcp -j REDIRECT --to-ports {to}"


def _of_networks(networks: Sequence[Network], flag: str, family: int) -> Iterator[str]:
    kind = IPv4Network if family == 4 else IPv6Network
    return (f"{flag} {network} -j RETURN" for network in networks if isinstance(network, kind))


def _port(ports: PortRange) -> str:
    return f"-m tcp --dport {str(ports).replace('-', ':')}"
