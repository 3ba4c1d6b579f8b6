"""Puts the rules of a plan in force, compares them with what is, and takes them away again.

Through ``nft`` where it is there and works, else through ``iptables``; and only through one of
them: what the other has of ours is taken away. Called by ``cli.intercept``.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

from sidecar.errors import InterceptionError, KernelLacksRules, RulesNotPermitted
from sidecar.interception.backends import Backend, Iptables, Nftables
from sidecar.interception.plan import Plan

_NAMESPACE: Final = "/proc/self/ns/net"
BACKENDS: Final[Sequence[type[Backend]]] = (Nftables, Iptables)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``difference`` has the lines of a diff; none where the plan is in force, and it alone."""

    backend: str
    difference: tuple[str, ...]


def choose(name: str) -> list[Backend]:
    """The programs to try, in order, of ``auto``, ``nft`` or ``iptables``. Raises
    :class:`InterceptionError` where none is installed."""
    asked = [kind() for kind in BACKENDS if name in ("auto", kind.name)]
    missing = {backend: backend.missing() for backend in asked}
    there = [backend for backend in asked if not missing[backend]]
    if not there:
        programs = " nor ".join(names[0] for names in missing.values())
        raise InterceptionError(f"there is no {programs} here: install nftables or iptables")
    return there


def apply_plan(plan: Plan, name: str = "auto") -> Backend:
    """Put the plan in force with the first that can; which that was.

    Raises :class:`InterceptionError`; then what was in force is in force still.
    """
    backends = choose(name)
    with _alone():
        had_rules = [backend for backend in choose("auto") if _in_force(backend)]
        used = _apply_first(plan, backends)
        for other in had_rules:
            if other.name != used.name:
                other.remove()
    return used


def compare(plan: Plan, name: str = "auto") -> Comparison:
    """What is in force beside what the plan wants. Raises :class:`InterceptionError`."""
    asked = choose(name)
    with _alone():
        found = {backend.name: _in_force(backend) for backend in choose("auto")}
        # Where there are rules already, they are what to compare with.
        asked.sort(key=lambda backend: not found[backend.name])
        used, wanted = _wanted_first(plan, asked)
    difference = _diff(found.pop(used.name), wanted)
    for other, lines in found.items():
        difference += [f"-{other} has too: {line}" for line in lines]
    return Comparison(used.name, tuple(difference))


def remove_rules() -> bool:
    """Take all of our rules away, whoever keeps them; whether there were any.

    Raises :class:`InterceptionError` once everything was tried.
    """
    failures: list[InterceptionError] = []
    had_rules = False
    with _alone():
        for backend in choose("auto"):
            try:
                if _in_force(backend):
                    backend.remove()
                    had_rules = True
            except InterceptionError as error:
                failures.append(error)
    if failures:
        raise failures[0]
    return had_rules


@contextmanager
def _alone() -> Iterator[None]:
    """One of us at a time in a network namespace: what is read is still so when it is replaced."""
    try:
        namespace = os.open(_NAMESPACE, os.O_RDONLY)
    except OSError as error:
        raise InterceptionError(f"{_NAMESPACE}: {error.strerror}") from None
    try:
        with suppress(OSError):  # a kernel in user space may know no such locks
            fcntl.flock(namespace, fcntl.LOCK_EX)
        yield
    finally:
        os.close(namespace)


def _in_force(backend: Backend) -> list[str]:
    try:
        return backend.in_force()
    except KernelLacksRules:  # then it has none of ours either
        return []


def _apply_first(plan: Plan, backends: Sequence[Backend]) -> Backend:
    failures: list[str] = []
    for backend in backends:
        try:
            backend.apply(plan)
        except RulesNotPermitted:
            raise
        except InterceptionError as error:
            failures.append(error.detail)
        else:
            return backend
    raise InterceptionError("; ".join(failures))


def _wanted_first(plan: Plan, backends: Sequence[Backend]) -> tuple[Backend, list[str]]:
    failures: list[str] = []
    for backend in backends:
        try:
            return backend, backend.wanted(plan)
        except KernelLacksRules as error:
            failures.append(error.detail)
    raise InterceptionError("; ".join(failures))


def _diff(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    lines = unified_diff(found, wanted, "in force", "wanted", lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]
