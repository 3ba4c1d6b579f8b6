"""What keeps rules: ``nft``, or ``iptables`` and ``ip6tables``.

Each puts a plan in force in place of an earlier one, whole or not at all, and touches no rule but
its own. Called by ``apply``.
"""

import signal
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sidecar.errors import InterceptionError, KernelLacksRules, TableOfOthers
from sidecar.interception import iptables, nftables
from sidecar.interception.plan import Plan
from sidecar.interception.program import find_program, run_program

_PROGRAMS: Final = {4: "iptables", 6: "ip6tables"}
_NFT_FAMILIES: Final = {4: "ip", 6: "ip6"}
#: The kernel has this file where it has IPv6.
_IPV6: Final = Path("/proc/net/if_inet6")
_ENDING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Backend(ABC):
    """A program that keeps rules. What is raised is an :class:`InterceptionError`, and
    :class:`KernelLacksRules` where the kernel has nothing that the program could speak to."""

    name: str

    @abstractmethod
    def missing(self) -> list[str]:
        """The programs that it takes and that are not installed."""

    @abstractmethod
    def script(self, plan: Plan) -> str:
        """The plan's rules, for people."""

    @abstractmethod
    def apply(self, plan: Plan) -> None:
        """Put the plan in force in place of an earlier one; whatever fails leaves that."""

    @abstractmethod
    def in_force(self) -> list[str]:
        """Our rules, as the program prints them."""

    @abstractmethod
    def wanted(self, plan: Plan) -> list[str]:
        """The plan's rules, as the program prints them."""

    @abstractmethod
    def remove(self) -> None:
        """Take all of our rules away."""


class Nftables(Backend):
    """``nft`` and its one transaction."""

    name = "nft"

    def missing(self) -> list[str]:
        return _missing(["nft"])

    def script(self, plan: Plan) -> str:
        return nftables.build_script(plan)

    def apply(self, plan: Plan) -> None:
        _nft(nftables.build_script(plan))

    def in_force(self) -> list[str]:
        there = self._tables()
        if nftables.TABLE not in there:
            return list(there)
        # Who comes first decides where a connection goes.
        first = nftables.chains_before_ours(run_program(("nft", "-y", "list", "chains")))
        return self._list(nftables.TABLE) + [
            f"before ours: {chain}: {rule}" for chain in first for rule in self._rules_of(chain)
        ]

    def wanted(self, plan: Plan) -> list[str]:
        # Read back from a table that is asleep: the program prints both in its own words,
        # whichever version of it this is.
        name = nftables.WANTED_TABLE
        _nft(nftables.build_script(plan, name=name, is_dormant=True))
        try:
            lines = self._list(name)
        finally:
            _nft(f"delete table inet {name}\n")
        return [line.replace(name, nftables.TABLE) for line in lines if "flags dormant" not in line]

    def remove(self) -> None:
        _nft("".join(f"delete table inet {name}\n" for name in self._tables()))

    def _tables(self) -> list[str]:
        listed = run_program(("nft", "list", "tables")).splitlines()
        return [
            name
            for name in (nftables.TABLE, nftables.WANTED_TABLE)
            if f"table inet {name}" in listed
        ]

    def _rules_of(self, chain: str) -> list[str]:
        command = ("nft", "--stateless", "list", "chain", *chain.split())
        return nftables.rules_of(run_program(command))

    def _list(self, name: str) -> list[str]:
        text = run_program(("nft", "--stateless", "list", "table", "inet", name))
        # Where it sets empty lines says nothing about the rules.
        return [line for line in text.splitlines() if line.strip()]


class Iptables(Backend):
    """``iptables`` and ``ip6tables``: a transaction for each."""

    name = "iptables"

    def missing(self) -> list[str]:
        names = [_PROGRAMS[family] for family in _families()]
        return _missing(names) or _missing([f"{name}-restore" for name in names])

    def script(self, plan: Plan) -> str:
        return "".join(
            f"# {_PROGRAMS[family]}-restore --noflush\n"
            + iptables.build_replacement([], _rules(plan, family))
            for family in _families()
        )

    def apply(self, plan: Plan) -> None:
        begun: dict[int, list[str]] = {}
        with _undisturbed():
            try:
                for family in _families():
                    begun[family] = _ours(family)
                    _replace(family, begun[family], _rules(plan, family))
            except BaseException:  # half of it would be a door that looks closed
                for family, before in begun.items():
                    found = _ours(family)
                    if found != before:
                        _replace(family, found, before)
                raise

    def in_force(self) -> list[str]:
        lines: list[str] = []
        lacks: list[KernelLacksRules] = []
        families = _families()
        for family in families:
            program = _PROGRAMS[family]
            try:
                listing = _listing(family)
            except KernelLacksRules as error:  # the other may be there
                lacks.append(error)
                continue
            except TableOfOthers:
                if _may_hide_ours(family):
                    raise
                continue
            rules = iptables.without_declarations(iptables.select_ours(listing))
            lines += [f"{program}: {line}" for line in rules]
            lines += [f"{program}, before ours: {line}" for line in iptables.before_ours(listing)]
        if len(lacks) == len(families):
            raise lacks[0]
        return lines

    def wanted(self, plan: Plan) -> list[str]:
        lines: list[str] = []
        for family in _families():
            written = iptables.chain_rules(plan, family, suffix=iptables.WANTED_SUFFIX)
            _replace(family, _written_down(family), written)
            try:
                rules = iptables.without_suffix(_ours(family))
            finally:
                _replace(family, _written_down(family), [])
            rules = iptables.without_declarations([*rules, *iptables.jump_rules(plan)])
            lines += [f"{_PROGRAMS[family]}: {line}" for line in rules]
        return lines

    def remove(self) -> None:
        failures: list[InterceptionError] = []
        with _undisturbed():
            for family in _families():
                try:
                    _clear(family)
                except InterceptionError as error:  # the other's go all the same
                    failures.append(error)
        if failures:
            raise failures[0]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The signals that would end us wait: two transactions are to be as one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _missing(programs: Sequence[str]) -> list[str]:
    return [name for name in programs if find_program(name) is None]


def _nft(text: str) -> None:
    run_program(("nft", "-f", "-"), text)


def _families() -> list[int]:
    """Those that the kernel has: rules are needed for no other, and cannot be had."""
    return [4, 6] if _IPV6.exists() else [4]


def _rules(plan: Plan, family: int) -> list[str]:
    return [*iptables.chain_rules(plan, family), *iptables.jump_rules(plan)]


def _listing(family: int) -> list[str]:
    return run_program((_PROGRAMS[family], "-w", "-t", "nat", "-S")).splitlines()


def _may_hide_ours(family: int) -> bool:
    """Whether a table that only nft can read has chains of ours; so it is where there is no nft."""
    if _missing(["nft"]):
        return True
    table = run_program(("nft", "--stateless", "list", "table", _NFT_FAMILIES[family], "nat"))
    return iptables.is_ours_within(table)


def _ours(family: int) -> list[str]:
    return iptables.select_ours(_listing(family))


def _clear(family: int) -> None:
    try:
        found = _ours(family)
    except KernelLacksRules:  # then it has none of ours either
        return
    except TableOfOthers:
        if _may_hide_ours(family):
            raise
        return
    if found:
        _replace(family, found, [])


def _written_down(family: int) -> list[str]:
    return [line for line in _ours(family) if line.split()[1].endswith(iptables.WANTED_SUFFIX)]


def _replace(family: int, found: Sequence[str], wanted: Sequence[str]) -> None:
    text = iptables.build_replacement(found, wanted)
    run_program((f"{_PROGRAMS[family]}-restore", "-w", "--noflush"), text)
