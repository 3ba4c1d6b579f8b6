"""Rules come into force whole or not at all, in one place, and go without a trace."""

import errno
import fcntl
from pathlib import Path

import pytest

from sidecar.errors import InterceptionError
from sidecar.interception import apply, backends
from sidecar.interception.apply import apply_plan, compare, remove_rules
from sidecar.interception.plan import Plan
from sidecar.setting import PortRange
from tests.interception.kernel import Kernel


def plan(port: int = 8000, outbound_to: int | None = None) -> Plan:
    return Plan(
        ports=(PortRange(port, port),),
        to=15006,
        uid=1337,
        admin=15020,
        outbound_to=outbound_to,
    )


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(backends, "run_program", kernel.run)
    monkeypatch.setattr(backends, "find_program", kernel.find)
    monkeypatch.setattr(backends, "_IPV6", Path("/"))
    namespace = tmp_path / "net"
    namespace.touch()
    monkeypatch.setattr(apply, "_NAMESPACE", str(namespace))
    return kernel


each_way = pytest.mark.parametrize("name", ["nft", "iptables"])


@each_way
def test_a_plan_in_force_does_not_differ_from_itself(kernel: Kernel, name: str) -> None:
    assert compare(plan(), name).difference
    assert apply_plan(plan(), name).name == name
    assert compare(plan()).difference == ()
    assert compare(plan(8001)).difference
    assert compare(plan(outbound_to=15001)).difference


@each_way
def test_whatever_was_in_force_is_replaced_and_removed_whole(kernel: Kernel, name: str) -> None:
    untouched = Kernel()
    apply_plan(plan(8001, outbound_to=15001), name)
    apply_plan(plan(), name)
    apply_plan(plan(), name)
    assert compare(plan(), name).difference == ()
    assert remove_rules()
    assert (kernel.tables, kernel.rules) == (untouched.tables, untouched.rules)
    assert not remove_rules()


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
@pytest.mark.parametrize("had_rules", [False, True])
def test_a_family_that_refuses_leaves_both_as_they_were(
    kernel: Kernel, family: str, had_rules: bool
) -> None:
    if had_rules:
        apply_plan(plan(9000), "iptables")
    before = {name: sorted(rules) for name, rules in kernel.rules.items()}
    kernel.refuses = {family}
    with pytest.raises(InterceptionError, match=f"{family}-restore failed: out of luck"):
        apply_plan(plan(outbound_to=15001), "iptables")
    assert {name: sorted(rules) for name, rules in kernel.rules.items()} == before
    assert bool(compare(plan(9000), "nft").difference) is True


def test_a_kernel_without_tables_for_nft_has_them_for_iptables(kernel: Kernel) -> None:
    kernel.lacks = {"nft"}
    assert apply_plan(plan()).name == "iptables"
    assert compare(plan()) == compare(plan(), "iptables")
    assert compare(plan()).difference == ()
    assert remove_rules()


def test_a_kernel_without_any_is_named_once_for_each_program(kernel: Kernel) -> None:
    kernel.lacks = {"nft", "iptables", "ip6tables"}
    for attempt in (apply_plan, compare):
        with pytest.raises(InterceptionError, match=r"^nft lacks it; iptables[a-z-]* lacks it$"):
            attempt(plan())
    assert not remove_rules()


def test_a_kernel_without_ipv6_needs_no_rules_for_it(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(backends, "_IPV6", tmp_path / "if_inet6")
    kernel.lacks = {"nft", "ip6tables"}
    assert apply_plan(plan()).name == "iptables"
    assert compare(plan()).difference == ()


def test_a_kernel_that_has_no_ipv6_rules_is_no_place_to_intercept_only_ipv4(kernel: Kernel) -> None:
    kernel.lacks = {"nft", "ip6tables"}
    with pytest.raises(InterceptionError):
        apply_plan(plan())
    assert kernel.rules == Kernel().rules


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_a_family_that_is_lacking_keeps_none_of_the_other_in_force(
    kernel: Kernel, family: str
) -> None:
    apply_plan(plan(), "iptables")
    kernel.rules[family] = []
    kernel.lacks = {family}
    with pytest.raises(InterceptionError, match=f"{family}[a-z-]* lacks it"):
        compare(plan(), "iptables")
    assert remove_rules()
    assert not remove_rules()


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_a_family_that_refuses_to_let_go_does_not_hold_the_other(
    kernel: Kernel, family: str
) -> None:
    apply_plan(plan(), "iptables")
    kernel.refuses = {family}
    with pytest.raises(InterceptionError, match=f"{family}-restore failed: out of luck"):
        remove_rules()
    held = [name for name, rules in kernel.rules.items() if "-N SIDECAR_INBOUND" in rules]
    assert held == [family]


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_a_table_that_only_nft_can_read_keeps_nobody_from_nft(kernel: Kernel, family: str) -> None:
    kernel.not_read = {family}
    assert apply_plan(plan()).name == "nft"
    assert compare(plan()).difference == ()
    for attempt in (apply_plan, compare):
        with pytest.raises(InterceptionError, match="use nft"):
            attempt(plan(), "iptables")
    assert remove_rules()
    assert not remove_rules()
    kernel.programs -= {"nft"}
    with pytest.raises(InterceptionError, match="use nft"):
        remove_rules()


def test_rules_of_ours_that_cannot_be_read_are_not_none(kernel: Kernel) -> None:
    apply_plan(plan(), "iptables")
    kernel.not_read = {"iptables"}
    for attempt in (lambda: apply_plan(plan()), lambda: compare(plan()), remove_rules):
        with pytest.raises(InterceptionError, match="use nft"):
            attempt()


@each_way
def test_rules_of_the_other_program_are_found_and_taken_away(kernel: Kernel, name: str) -> None:
    other = {"nft": "iptables", "iptables": "nft"}[name]
    apply_plan(plan(), other)
    beside = compare(plan(), name).difference
    assert any(line.startswith(f"-{other} has too: ") for line in beside)
    apply_plan(plan(), name)
    assert compare(plan()) == compare(plan(), name)
    assert compare(plan()).difference == ()


def test_what_an_interrupted_comparison_left_is_removed_too(kernel: Kernel) -> None:
    kernel.tables["sidecar_wanted"] = "table inet sidecar_wanted {\n}\n"
    kernel.rules["iptables"] += ["-N SIDECAR_INBOUND_W", "-A SIDECAR_INBOUND_W -i lo -j RETURN"]
    assert remove_rules()
    assert (kernel.tables, kernel.rules) == ({}, Kernel().rules)


def test_where_there_is_no_such_namespace_it_is_said(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "_NAMESPACE", "/nowhere/net")
    with pytest.raises(InterceptionError, match=r"^/nowhere/net: No such file or directory$"):
        apply_plan(plan())


def test_a_kernel_that_cannot_lock_a_namespace_intercepts_all_the_same(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "flock", refuse)
    apply_plan(plan())
    assert compare(plan()).difference == ()


@pytest.mark.parametrize("program", ["iptables", "ip6tables"])
@pytest.mark.parametrize("is_late", [False, True])
def test_who_interrupts_gets_what_was_there_before(
    kernel: Kernel, program: str, is_late: bool
) -> None:
    apply_plan(plan(9000), "iptables")
    before = {name: sorted(rules) for name, rules in kernel.rules.items()}
    kernel.interrupted_at, kernel.is_late = program, is_late
    with pytest.raises(KeyboardInterrupt):
        apply_plan(plan(), "iptables")
    assert {name: sorted(rules) for name, rules in kernel.rules.items()} == before


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_a_family_that_was_left_alone_is_found_and_made_good(kernel: Kernel, family: str) -> None:
    kernel.rules[family] = []
    apply_plan(plan(), "iptables")
    kernel.rules[family] = []  # as if the other's had come, and then the end
    assert f"+{family}: -A PREROUTING -p tcp -j SIDECAR_INBOUND" in compare(plan()).difference
    apply_plan(plan(), "iptables")
    assert compare(plan()).difference == ()
    kernel.rules[family] = []
    assert remove_rules()
    assert kernel.rules == {**Kernel().rules, family: []}


def test_without_a_program_nothing_can_be_said(kernel: Kernel) -> None:
    kernel.programs = set()
    for attempt in (lambda: apply_plan(plan()), lambda: compare(plan()), remove_rules):
        with pytest.raises(InterceptionError, match="no nft nor iptables here"):
            attempt()
    with pytest.raises(InterceptionError, match="there is no nft here"):
        apply_plan(plan(), "nft")


def test_both_families_need_their_program(kernel: Kernel) -> None:
    kernel.programs = {"iptables", "iptables-restore"}
    with pytest.raises(InterceptionError, match="there is no nft nor ip6tables here"):
        apply_plan(plan())
    assert kernel.rules == Kernel().rules


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_every_single_rule_that_is_gone_or_came_is_found(kernel: Kernel, family: str) -> None:
    apply_plan(plan(outbound_to=15001), "iptables")
    whole = kernel.rules[family]
    for index, rule in enumerate(whole):
        if rule.startswith("-A "):
            kernel.rules[family] = whole[:index] + whole[index + 1 :]
            assert f"+{family}: {rule}" in compare(plan(outbound_to=15001)).difference
            kernel.rules[family] = [*whole[:index], rule, *whole[index:]]
            assert compare(plan(outbound_to=15001)).difference
    kernel.rules[family] = whole
    assert compare(plan(outbound_to=15001)).difference == ()


def test_a_rule_of_others_counts_only_before_ours(kernel: Kernel) -> None:
    theirs = "-A PREROUTING -p tcp -m tcp --dport 8000 -j REDIRECT --to-ports 8000"
    apply_plan(plan(), "iptables")
    ours = kernel.rules["iptables"]
    kernel.rules["iptables"] = [*ours, theirs]
    assert compare(plan()).difference == ()
    kernel.rules["iptables"] = [theirs, *ours]
    assert f"-iptables, before ours: {theirs}" in compare(plan()).difference
    apply_plan(plan(), "iptables")
    assert compare(plan()).difference == ()
