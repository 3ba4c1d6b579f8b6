"""The rules themselves: the same twice, found again, and gone without a trace."""

import json
import subprocess

import pytest

from tests.functional.application import OK, Application, answering
from tests.functional.pod.namespaces import (
    APPLY,
    POD,
    REMOVE,
    SHOW,
    by_family,
    heard,
    intercept,
    rules,
    run,
    status,
)
from tests.functional.sidecar_process import COMMAND, run_command


def test_applied_twice_is_the_same_and_show_finds_what_differs(backend: str) -> None:
    options = ("--backend", backend)
    assert run_command(*SHOW, *options).returncode == 1
    intercept(backend=backend)
    once = rules()
    intercept(backend=backend)
    assert rules() == once
    same = run_command(*SHOW, *options, "--json")
    assert json.loads(same.stdout) == {"in_force": True, "backend": backend, "difference": []}
    assert run_command(*SHOW, *options).returncode == 0

    other = run_command("intercept", "show", "--ports", "8000,9000-9010", *options)
    assert other.returncode == 1
    assert "9000" in other.stdout
    tamper(backend)
    assert run_command(*SHOW, *options).returncode == 1
    intercept("--outbound-to", "15001", backend=backend)
    assert run_command(*SHOW, *options, "--outbound-to", "15001").returncode == 0
    intercept(backend=backend)
    assert run_command(*SHOW, *options).returncode == 0


def test_every_single_rule_that_is_gone_is_found(backend: str) -> None:
    more = ("--outbound-to", "15001")
    intercept(*more, backend=backend)
    for index in range(len(removals(backend))):
        run(*removals(backend)[index])
        shown = run_command(*SHOW, *more, "--backend", backend)
        assert shown.returncode == 1
        assert any(line.startswith("+") for line in shown.stdout.splitlines()[2:])
        intercept(*more, backend=backend)
    assert run_command(*SHOW, *more).returncode == 0


def removals(backend: str) -> list[list[str]]:
    """For each of our rules the command that takes it away, and nothing else."""
    if backend == "nft":
        listed = json.loads(heard("nft", "-j", "list", "table", "inet", "sidecar"))["nftables"]
        rules = [each["rule"] for each in listed if "rule" in each]
        delete = ["nft", "delete", "rule", "inet", "sidecar"]
        return [[*delete, rule["chain"], "handle", str(rule["handle"])] for rule in rules]
    return [
        [program, "-t", "nat", "-D", *line.split()[1:]]
        for program in ("iptables", "ip6tables")
        for line in heard(program, "-t", "nat", "-S").splitlines()
        if line.startswith("-A ") and "SIDECAR_" in line
    ]


def test_rules_of_others_that_came_first_lead_nobody_around(
    application: Application, backend: str
) -> None:
    theirs = ("PREROUTING", "-p", "tcp", "--dport", "8000", "-j", "REDIRECT", "--to-ports", "8000")
    for program in ("iptables", "ip6tables"):
        run(program, "-t", "nat", "-A", *theirs)
    try:
        intercept(backend=backend)
        for host in POD.values():
            assert status("client", host) == 0  # the sidecar is not there, and nobody else answers
    finally:
        for program in ("iptables", "ip6tables"):
            run(program, "-t", "nat", "-D", *theirs)


def test_a_rule_of_others_before_ours_is_found() -> None:
    intercept(backend="iptables")
    theirs = ("PREROUTING", "-p", "tcp", "--dport", "8000", "-j", "ACCEPT")
    run("iptables", "-t", "nat", "-I", *theirs)
    try:
        shown = run_command(*SHOW)
        assert shown.returncode == 1
        assert "-iptables, before ours: -A PREROUTING -p tcp" in shown.stdout
        intercept(backend="iptables")
        assert run_command(*SHOW).returncode == 0
    finally:
        run("iptables", "-t", "nat", "-D", *theirs)


@by_family
def test_a_chain_of_others_before_ours_is_found(application: Application, family: int) -> None:
    application.answer = answering(OK)
    intercept(backend="nft")
    table = ("ip" if family == 4 else "ip6", "theirs")
    run("nft", "add", "table", *table)
    try:
        chain = (*table, "first")
        run("nft", "add", "chain", *chain, "{ type nat hook prerouting priority -150; }")
        assert run_command(*SHOW).returncode == 0
        run("nft", "add", "rule", *chain, "tcp", "dport", "8000", "redirect", "to", ":8000")
        assert status("client", POD[family]) == 200  # the door is open
        shown = run_command(*SHOW)
        assert shown.returncode == 1
        assert f"-before ours: {' '.join(table)} first: tcp dport 8000 redirect" in shown.stdout
    finally:
        run("nft", "delete", "table", *table)
    assert run_command(*SHOW).returncode == 0


def test_a_table_that_iptables_cannot_read_is_left_alone(application: Application) -> None:
    application.answer = answering(OK)
    theirs = "tcp dport { 80, 443 } redirect to :8443"
    run("nft", "add table ip nat; add chain ip nat own; add rule ip nat own " + theirs)
    try:
        intercept()
        assert status("client", POD[4]) == 0
        assert run_command(*SHOW).returncode == 0
        refused = run_command(*APPLY, "--backend", "iptables")
        assert refused.returncode == 3
        assert "use 'nft' tool" in refused.stderr
        assert run_command(*SHOW).returncode == 0
        assert run_command(*REMOVE).stdout == "The rules are gone.\n"
        assert status("client", POD[4]) == 200
        assert theirs in heard("nft", "list", "table", "ip", "nat")
    finally:
        run("nft", "delete", "table", "ip", "nat")


def tamper(backend: str) -> None:
    if backend == "nft":
        run("nft", "insert", "rule", "inet", "sidecar", "inbound", "tcp", "dport", "8000", "return")
    else:
        run("ip6tables", "-t", "nat", "-I", "SIDECAR_INBOUND", "1", "-p", "tcp", "-j", "RETURN")


def test_many_at_once_are_one_after_the_other(backend: str) -> None:
    intercept(backend=backend)
    once = rules()
    commands = [APPLY, SHOW] * 3
    running = [
        subprocess.Popen([*COMMAND, *command, "--backend", backend], stdout=subprocess.DEVNULL)
        for command in commands
    ]
    assert [each.wait(60) for each in running] == [0] * len(commands)
    assert rules() == once


def test_removal_leaves_nothing_and_the_rules_of_others_stay(
    application: Application, backend: str
) -> None:
    application.answer = answering(OK)
    others = ("-p", "udp", "--dport", "53", "-j", "RETURN")
    run("iptables", "-t", "nat", "-A", "PREROUTING", *others)
    before = rules()
    try:
        intercept("--outbound-to", "15001", backend=backend)
        assert rules() != before
        assert status("client", POD[4]) == 0
        removed = run_command(*REMOVE)
        assert (removed.returncode, removed.stdout) == (0, "The rules are gone.\n")
        assert rules() == before
        assert status("client", POD[4]) == 200
        assert run_command(*REMOVE).stdout == "There were no rules.\n"
    finally:
        run("iptables", "-t", "nat", "-D", "PREROUTING", *others)


@pytest.mark.parametrize("chosen", ["auto", "nft"])
def test_another_backend_takes_over_without_leaving_two(chosen: str) -> None:
    before = rules()
    intercept(backend="iptables")
    both = run_command(*SHOW, "--backend", "nft")
    assert both.returncode == 1
    assert "iptables has too" in both.stdout
    intercept(backend=chosen)
    assert rules()[1:] == before[1:]
    assert run_command(*SHOW).returncode == 0
    intercept(backend="iptables")
    assert rules()[0] == before[0]


def test_a_dry_run_prints_the_rules_and_changes_nothing() -> None:
    before = rules()
    shown = run_command(*APPLY, "--dry-run")
    assert shown.returncode == 0
    assert "redirect to :15006" in shown.stdout
    assert rules() == before
