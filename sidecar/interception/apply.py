"""Puts the rules of a plan in force, compares them with what is, and takes them away again.

Through ``nft`` where it is there and works, else through ``iptables`` and ``ip6tables``. Whatever
fails leaves behind what was there before. It touches no rule but its own. Called by
``cli.intercept``.
"""

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Final

from sidecar.errors import SidecarError
from sidecar.interception import iptables, nftables
from sidecar.interception.plan import Plan

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_S: Final = 20.0
_FAMILIES: Final = {4: "iptables", 6: "ip6tables"}


class InterceptionError(SidecarError):
    """The rules could not be put in force, read or removed; ``detail`` says why."""

    reason = "interception"
    title = "The interception could not be set up"


class NotPermitted(InterceptionError):
    """The process may not change the rules of this network namespace."""

    hint = "not permitted: run it as root with the capability NET_ADMIN in this network namespace"


class Backend(ABC):
    """A program that keeps rules."""

    name: str

    @abstractmethod
    def is_there(self) -> bool:
        """Whether the program is installed."""

    @abstractmethod
    def script(self, plan: Plan) -> str:
        """What ``apply`` would do, for people."""

    @abstractmethod
    def apply(self, plan: Plan) -> None:
        """Put the plan in force in place of an earlier one."""

    @abstractmethod
    def difference(self, plan: Plan) -> list[str]:
        """What is in force beside the plan, as lines of a diff; none where they are the same."""

    @abstractmethod
    def remove(self) -> bool:
        """Take our rules away; whether there were any."""


def choose(name: str) -> list[Backend]:
    """The programs to try, in order, of ``auto``, ``nft`` or ``iptables``. Raises
    :class:`InterceptionError` where none is installed."""
    known: list[Backend] = [Nftables(), Iptables()]
    asked = [backend for backend in known if name in ("auto", backend.name)]
    there = [backend for backend in asked if backend.is_there()]
    if not there:
        programs = " nor ".join(backend.name for backend in asked)
        raise InterceptionError(f"there is no {programs} here: install nftables or iptables")
    return there


def apply_plan(plan: Plan, backends: Sequence[Backend]) -> Backend:
    """Put the plan in force with the first that can, and take away what another had of ours."""
    failures: list[str] = []
    for backend in backends:
        try:
            backend.apply(plan)
        except NotPermitted:
            raise
        except InterceptionError as error:
            failures.append(f"{backend.name}: {error.detail}")
            continue
        for other in backends:
            if other is not backend:
                other.remove()
        return backend
    raise InterceptionError("; ".join(failures))


class Nftables(Backend):
    """``nft`` and its one transaction."""

    name = "nft"

    def is_there(self) -> bool:
        return _find("nft") is not None

    def script(self, plan: Plan) -> str:
        return nftables.build_script(plan)

    def apply(self, plan: Plan) -> None:
        _run(("nft", "-f", "-"), nftables.build_script(plan))

    def difference(self, plan: Plan) -> list[str]:
        # The wanted rules are read back too, from a table that is asleep: the program prints both
        # in its own words, whichever version of it this is.
        name = nftables.WANTED_TABLE
        _run(("nft", "-f", "-"), f"add table inet {name}\ndelete table inet {name}\n")
        _run(("nft", "-f", "-"), nftables.build_table(plan, name=name, is_dormant=True))
        try:
            wanted = self._list(name).replace(name, nftables.TABLE).replace("\tflags dormant\n", "")
        finally:
            _run(("nft", "delete", "table", "inet", name))
        return _diff(self._list(nftables.TABLE) if self._has_table() else "", wanted)

    def remove(self) -> bool:
        if not self._has_table():
            return False
        _run(("nft", "delete", "table", "inet", nftables.TABLE))
        return True

    def _has_table(self) -> bool:
        return f"table inet {nftables.TABLE}" in _run(("nft", "list", "tables")).split("\n")

    def _list(self, name: str) -> str:
        return _run(("nft", "--stateless", "list", "table", "inet", name))


class Iptables(Backend):
    """``iptables`` and ``ip6tables``: two transactions a family, the jump after its chain."""

    name = "iptables"

    def is_there(self) -> bool:
        return all(_find(f"{program}-restore") for program in _FAMILIES.values())

    def script(self, plan: Plan) -> str:
        jumps = iptables.build_jumps(iptables.wanted_jumps(plan))
        return "".join(
            f"# {program}-restore --noflush\n{iptables.build_chains(plan, family)}{jumps}"
            for family, program in _FAMILIES.items()
        )

    def apply(self, plan: Plan) -> None:
        begun: list[int] = []
        try:
            for family in _FAMILIES:
                had_rules = bool(self._ours(family))
                if not had_rules:
                    begun.append(family)
                self._restore(family, iptables.build_chains(plan, family))
                self._lead(family, iptables.wanted_jumps(plan))
        except InterceptionError:
            for family in begun:  # half of it would be a door that looks closed
                self._remove(family)
            raise

    def difference(self, plan: Plan) -> list[str]:
        lines: list[str] = []
        for family, program in _FAMILIES.items():
            suffix = iptables.WANTED_SUFFIX
            self._restore(family, iptables.build_chains(plan, family, suffix=suffix))
            try:
                listing = self._ours(family)
            finally:
                self._delete(family, [f"{name}{suffix}" for name in iptables.JUMPS])
            marked = tuple(f"{name}{suffix}" for name in iptables.JUMPS)
            rules = [line for line in listing if line.startswith("-A ")]
            wanted = [line.replace(f"{suffix} ", " ") for line in rules if _of(line) in marked]
            wanted += [
                f"-A {iptables.JUMPS[name]} -p tcp -j {name}"
                for name in iptables.wanted_jumps(plan)
            ]
            found = [line for line in rules if _of(line) not in marked]
            texts = ("\n".join(sorted_by_chain(each)) for each in (found, wanted))
            lines += [f"{program}: {line}" for line in _diff(*texts)]
        return lines

    def remove(self) -> bool:
        removed = [self._remove(family) for family in _FAMILIES]
        return any(removed)

    def _lead(self, family: int, names: Sequence[str]) -> None:
        rules = self._ours(family)
        for name, hook in iptables.JUMPS.items():
            is_there = f"-A {hook} -p tcp -j {name}" in rules
            if name in names and not is_there:
                self._restore(family, iptables.build_jumps([name]))
            elif name not in names and is_there:
                self._unlead(family, name)
                self._delete(family, [name])

    def _remove(self, family: int) -> bool:
        had_rules = bool(self._ours(family))
        for name in iptables.JUMPS:
            self._unlead(family, name)
        self._delete(family, list(iptables.JUMPS))
        return had_rules

    def _unlead(self, family: int, name: str) -> None:
        hook = iptables.JUMPS[name]
        while f"-A {hook} -p tcp -j {name}" in self._ours(family):
            _run((_FAMILIES[family], "-w", "-t", "nat", "-D", hook, "-p", "tcp", "-j", name))

    def _delete(self, family: int, names: Sequence[str]) -> None:
        there = {line.split()[1] for line in self._ours(family) if line.startswith("-N ")}
        for name in names:
            if name in there:
                _run((_FAMILIES[family], "-w", "-t", "nat", "-F", name))
                _run((_FAMILIES[family], "-w", "-t", "nat", "-X", name))

    def _restore(self, family: int, text: str) -> None:
        _run((f"{_FAMILIES[family]}-restore", "-w", "--noflush"), text)

    def _ours(self, family: int) -> list[str]:
        """Every line of the table ``nat`` that is about our chains."""
        listing = _run((_FAMILIES[family], "-w", "-t", "nat", "-S")).splitlines()
        return [line for line in listing if "SIDECAR_" in line]


def _of(line: str) -> str:
    """The chain that a listed line belongs to."""
    return line.split()[1]


def sorted_by_chain(lines: Sequence[str]) -> list[str]:
    """The lines of each chain in their order, the chains by name."""
    return sorted(lines, key=_of)


def _diff(found: str, wanted: str) -> list[str]:
    # Where nft sets empty lines says nothing about the rules.
    there, asked = (
        [line for line in text.splitlines() if line.strip()] for text in (found, wanted)
    )
    lines = unified_diff(there, asked, "in force", "wanted", lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]


def _find(program: str) -> str | None:
    return shutil.which(program, path=_PATH)


def _run(command: Sequence[str], text: str = "") -> str:
    """What the program printed. Its environment is empty: no variable of the caller's may point it
    elsewhere."""
    program = _find(command[0])
    if program is None:
        raise InterceptionError(f"there is no {command[0]} here")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a program of the system
            [program, *command[1:]],
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={"PATH": _PATH, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterceptionError(f"{Path(program).name} failed: {type(error).__name__}") from None
    if done.returncode == 0:
        return done.stdout
    words = " ".join(done.stderr.split())
    if "not permitted" in words or "Permission denied" in words or "must be root" in words:
        raise NotPermitted
    raise InterceptionError(
        f"{Path(program).name} refused the rules: {words[:300] or os.strerror(5)}"
    )
