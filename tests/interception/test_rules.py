"""The rules say what the plan says, for nft and for iptables, and always in the same words."""

from sidecar.interception.iptables import build_chains, build_jumps, wanted_jumps
from sidecar.interception.nftables import build_script, build_table
from sidecar.interception.plan import Plan, parse_network
from sidecar.setting import parse_port_range

SIMPLE = Plan(ports=(parse_port_range("8000"),), to=15006, uid=1337, own_ports=(15006, 15020))
FULL = Plan(
    ports=(),
    to=15006,
    uid=1337,
    own_ports=(15001, 15006, 15020),
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
		type nat hook prerouting priority -100; policy accept;
		iifname "lo" return
		fib daddr type != local return
		tcp dport { 15006, 15020 } return
		tcp dport { 8000 } redirect to :15006
	}
}
"""
    )


def test_the_table_of_every_port_and_of_calls() -> None:
    assert build_table(FULL) == (
        """table inet sidecar {
	chain inbound {
		type nat hook prerouting priority -100; policy accept;
		iifname "lo" return
		fib daddr type != local return
		ip saddr 10.9.0.0/16 return
		ip6 saddr fd09::/64 return
		tcp dport { 22, 9000-9010, 15001, 15006, 15020 } return
		meta l4proto tcp redirect to :15006
	}

	chain outbound {
		type nat hook output priority -100; policy accept;
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


def test_the_chains_of_one_port() -> None:
    assert build_chains(SIMPLE, 4) == (
        """*nat
:SIDECAR_INBOUND - [0:0]
-A SIDECAR_INBOUND -i lo -j RETURN
-A SIDECAR_INBOUND -m addrtype ! --dst-type LOCAL -j RETURN
-A SIDECAR_INBOUND -p tcp -m tcp --dport 15006 -j RETURN
-A SIDECAR_INBOUND -p tcp -m tcp --dport 15020 -j RETURN
-A SIDECAR_INBOUND -p tcp -m tcp --dport 8000 -j REDIRECT --to-ports 15006
COMMIT
"""
    )
    assert build_jumps(wanted_jumps(SIMPLE)) == (
        "*nat\n-I PREROUTING 1 -p tcp -j SIDECAR_INBOUND\nCOMMIT\n"
    )


def test_each_family_has_its_own_networks() -> None:
    four, six = build_chains(FULL, 4), build_chains(FULL, 6)
    assert "-s 10.9.0.0/16 -j RETURN" in four
    assert "fd09::" not in four
    assert "-s fd09::/64 -j RETURN" in six
    assert "10.9." not in six
    assert "-d ::1/128 -j RETURN" in six
    assert "--dport 9000:9010 -j RETURN" in four
    assert wanted_jumps(FULL) == ("SIDECAR_INBOUND", "SIDECAR_OUTBOUND")


def test_the_sidecars_own_traffic_is_left_alone_before_anything_else() -> None:
    outbound = build_table(FULL).partition("chain outbound")[2].splitlines()
    assert outbound[2].strip() == "meta skuid 1337 return"
    chain = [line for line in build_chains(FULL, 6).splitlines() if "-A SIDECAR_OUTBOUND" in line]
    assert chain[0] == "-A SIDECAR_OUTBOUND -m owner --uid-owner 1337 -j RETURN"
