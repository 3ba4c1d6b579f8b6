"""The rules say what the plan says, for nft and for iptables, and always in the same words."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.interception.iptables import (
    build_replacement,
    chain_rules,
    jump_rules,
    select_ours,
    without_declarations,
    without_suffix,
)
from sidecar.interception.nftables import build_script, chains_before_ours, rules_of
from sidecar.interception.plan import Plan, parse_network
from sidecar.setting import PortRange, parse_port_range
from tests.interception.kernel import restore

SIMPLE = Plan(ports=(parse_port_range("8000"),), to=15006, uid=1337, admin=15020)
FULL = Plan(
    ports=(),
    to=15006,
    uid=1337,
    admin=15020,
    except_ports=(parse_port_range("22"), parse_port_range("9000-9010")),
    except_sources=(parse_network("10.9.0.0/16"), parse_network("fd09::/64")),
    outbound_to=15001,
    outbound_except_ports=(parse_port_range("5432"),),
    outbound_except_networks=(parse_network("169.254.169.254"),),
)


def test_the_table_of_one_port() -> None:
    assert build_script(SIMPLE) == (
        """add table inet sidecar
delete table inet sidecar
table inet sidecar {
	chain inbound {
		type nat hook prerouting priority -110; policy accept;
		iifname "lo" return
		fib daddr type != local return
		tcp dport { 15006, 15020 } return
		tcp dport { 8000 } redirect to :15006
	}
}
"""
    )


def test_the_table_of_every_port_and_of_calls() -> None:
    assert build_script(FULL).partition("\n")[2] == (
        """delete table inet sidecar
table inet sidecar {
	chain inbound {
		type nat hook prerouting priority -110; policy accept;
		iifname "lo" return
		fib daddr type != local return
		ip saddr 10.9.0.0/16 return
		ip6 saddr fd09::/64 return
		tcp dport { 22, 9000-9010, 15001, 15006, 15020 } return
		meta l4proto tcp redirect to :15006
	}

	chain outbound {
		type nat hook output priority -110; policy accept;
		meta skuid 1337 return
		oifname "lo" return
		ip daddr 127.0.0.0/8 return
		ip6 daddr ::1 return
		ip daddr 169.254.169.254/32 return
		tcp dport { 5432 } return
		meta l4proto tcp redirect to :15001
	}
}
"""
    )


def test_a_table_that_is_asleep_has_another_name() -> None:
    text = build_script(FULL, name="other", is_dormant=True)
    assert text.startswith("add table inet other\ndelete table inet other\ntable inet other {\n")
    assert text.replace("other", "sidecar").replace("\tflags dormant\n", "") == build_script(FULL)


def listed(table: str, chain: str, kind: str, hook: str, priority: int) -> str:
    """A table of one chain, as ``nft -y list chains`` prints it."""
    leads = f"type {kind} hook {hook} priority {priority}; policy accept;"
    return f"table {table} {{\n\tchain {chain} {{\n\t\t{leads}\n\t}}\n}}\n"


OURS = listed("inet sidecar", "inbound", "nat", "prerouting", -110)


def test_chains_of_others_that_come_before_ours_are_found() -> None:
    earlier = listed("ip theirs", "a", "nat", "prerouting", -150)
    beside = listed("ip6 theirs", "b", "nat", "prerouting", -110)
    assert chains_before_ours(OURS + earlier + beside) == ["ip theirs a", "ip6 theirs b"]
    assert chains_before_ours(earlier + beside + OURS) == ["ip theirs a", "ip6 theirs b"]
    outbound = listed("inet sidecar", "outbound", "nat", "output", -110)
    calls = listed("ip theirs", "c", "nat", "output", -300)
    assert chains_before_ours(OURS + calls) == []
    assert chains_before_ours(OURS + outbound + calls) == ["ip theirs c"]


def test_chains_that_lead_nobody_around_are_not() -> None:
    others = [
        listed("ip nat", "PREROUTING", "nat", "prerouting", -100),
        listed("ip raw", "PREROUTING", "filter", "prerouting", -300),
        listed("ip nat", "POSTROUTING", "nat", "postrouting", -300),
        listed("inet sidecar_wanted", "inbound", "nat", "prerouting", -110),
        "table ip theirs {\n\tchain of_no_hook {\n\t}\n}\n",
    ]
    assert chains_before_ours(OURS + "".join(others)) == []


def test_of_a_chain_only_its_rules_count() -> None:
    chain = listed("ip theirs", "a", "nat", "prerouting", -150)
    assert rules_of(chain) == []
    rule = "\t\ttcp dport 8000 redirect to :8000\n"
    assert rules_of(chain.replace("\t}\n", f"{rule}\t}}\n")) == [rule.strip()]


def test_the_chains_of_one_port() -> None:
    assert chain_rules(SIMPLE, 4) == [
        "-N SIDECAR_INBOUND",
        "-A SIDECAR_INBOUND -i lo -j RETURN",
        "-A SIDECAR_INBOUND -m addrtype ! --dst-type LOCAL -j RETURN",
        "-A SIDECAR_INBOUND -p tcp -m tcp --dport 15006 -j RETURN",
        "-A SIDECAR_INBOUND -p tcp -m tcp --dport 15020 -j RETURN",
        "-A SIDECAR_INBOUND -p tcp -m tcp --dport 8000 -j REDIRECT --to-ports 15006",
    ]
    assert jump_rules(SIMPLE) == ["-A PREROUTING -p tcp -j SIDECAR_INBOUND"]


def test_the_same_ports_in_other_words_are_the_same_rules() -> None:
    one, other = (
        replace(FULL, ports=tuple(map(parse_port_range, texts.split(","))))
        for texts in ("9000,8000-8010", "8000-8005,8006,9000,8007-8010")
    )
    assert build_script(one) == build_script(other)
    assert chain_rules(one, 4) == chain_rules(other, 4)


def test_each_family_has_its_own_networks() -> None:
    four, six = ("\n".join(chain_rules(FULL, family)) for family in (4, 6))
    assert "-s 10.9.0.0/16 -j RETURN" in four
    assert "fd09::" not in four
    assert "-s fd09::/64 -j RETURN" in six
    assert "10.9." not in six
    assert "-d ::1/128 -j RETURN" in six
    assert "--dport 9000:9010 -j RETURN" in four
    assert jump_rules(FULL) == [
        "-A PREROUTING -p tcp -j SIDECAR_INBOUND",
        "-A OUTPUT -p tcp -j SIDECAR_OUTBOUND",
    ]


def test_the_sidecars_own_traffic_is_left_alone_before_anything_else() -> None:
    outbound = build_script(FULL).partition("chain outbound")[2].splitlines()
    assert outbound[2].strip() == "meta skuid 1337 return"
    chain = [line for line in chain_rules(FULL, 6) if line.startswith("-A SIDECAR_OUTBOUND")]
    assert chain[0] == "-A SIDECAR_OUTBOUND -m owner --uid-owner 1337 -j RETURN"


def test_the_wanted_rules_are_found_again_by_their_suffix() -> None:
    written = chain_rules(FULL, 4, suffix="_W")
    in_force = [*chain_rules(SIMPLE, 4), *jump_rules(SIMPLE)]
    read_back = select_ours(["-P PREROUTING ACCEPT", *in_force, *written])
    assert without_suffix(read_back) == [r for r in chain_rules(FULL, 4) if r.startswith("-A")]


def test_rules_of_others_are_not_ours() -> None:
    others = [
        "-P PREROUTING ACCEPT",
        "-N SIDECAR_OTHER",
        "-A PREROUTING -p udp -m udp --dport 53 -j RETURN",
        "-A PREROUTING -p tcp -j SIDECAR_OTHER",
        "-A SIDECAR_OTHER -p tcp -j RETURN",
        "-A PREROUTING -p tcp -m comment --comment SIDECAR_INBOUND -j RETURN",
        '-A PREROUTING -p tcp -m comment --comment "a \\" -j SIDECAR_INBOUND b" -j RETURN',
    ]
    assert select_ours(others) == []
    assert select_ours([*others, *jump_rules(SIMPLE)]) == jump_rules(SIMPLE)


port_lists = st.lists(st.integers(1, 9000), min_size=1, max_size=4, unique=True)
states: st.SearchStrategy[list[str]] = st.one_of(
    st.just([]),
    st.builds(
        lambda ports, calls: [
            *chain_rules(plan := plan_of(ports, calls=calls), 4),
            *jump_rules(plan),
        ],
        port_lists,
        st.booleans(),
    ),
)


def plan_of(ports: list[int], *, calls: bool) -> Plan:
    return Plan(
        ports=tuple(PortRange(port, port) for port in ports),
        to=15006,
        uid=1337,
        admin=15020,
        outbound_to=15001 if calls else None,
    )


@given(states, states, st.booleans())
def test_one_transaction_turns_any_rules_of_ours_into_any_other(
    found: list[str], wanted: list[str], was_doubled: bool
) -> None:
    others = ["-A PREROUTING -p udp -j RETURN"]
    if was_doubled:
        found = [*found, *(line for line in found if " -j SIDECAR_" in line)]
    result = restore([*others, *found], build_replacement(found, wanted))
    assert sorted(select_ours(result)) == sorted(wanted)
    assert without_declarations(select_ours(result)) == without_declarations(wanted)
    assert [rule for rule in result if rule not in select_ours(result)] == others
