"""A plan says what is redirected; what cannot be meant is refused, all of it at once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigError
from sidecar.interception.plan import Plan, check_plan, joined, parse_network
from sidecar.setting import PortRange, parse_port_range

ports = st.builds(
    lambda one, two: PortRange(min(one, two), max(one, two)),
    st.integers(1, 65535),
    st.integers(1, 65535),
)


def ranges(*texts: str) -> tuple[PortRange, ...]:
    return tuple(map(parse_port_range, texts))


def plan(**changes: object) -> Plan:
    values = {"ports": ranges("8000"), "to": 15006, "uid": 1337, "admin": 15020}
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def test_a_plan_that_can_be_meant_is_taken() -> None:
    assert check_plan(plan(), app_uid=1000) == plan()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ports": ranges("8000-8100", "8050")}, "8000-8100 and 8050 overlap"),
        ({"ports": ranges("15000-15010")}, "15006 is a port of the sidecar itself"),
        ({"ports": ranges("15020")}, "15020 is a port of the sidecar itself"),
        ({"except_ports": ranges("7000-9000")}, "leaves nothing of --ports 8000"),
        ({"except_ports": ranges("7000-7999", "8000")}, "leaves nothing of --ports 8000"),
        (
            {"ports": (), "except_ports": ranges("1-8000", "8001-65535")},
            "--except-ports: 1-65535 leaves nothing of --ports all",
        ),
        ({"except_sources": (parse_network("0.0.0.0/0"),)}, "0.0.0.0/0 is everybody"),
        (
            {"except_sources": tuple(map(parse_network, ("::/1", "c000::/2", "8000::/2")))},
            "--except-sources: ::/0 is everybody",
        ),
        ({"outbound_to": 15006}, "--outbound-to: 15006 is --to too"),
        ({"outbound_to": 15020}, "--outbound-to: 15020 is --admin too"),
        ({"admin": 15006}, "--admin: 15006 is --to too"),
        ({"outbound_except_ports": ranges("5432")}, "--outbound-except-ports: no call is redirect"),
        (
            {"outbound_except_networks": (parse_network("10.0.0.0/8"),)},
            "--outbound-except-networks: no call is redirected; give --outbound-to",
        ),
        ({"uid": -1}, "is no user id"),
        ({"uid": 1000}, "is the application's user too"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_plan(plan(**changes), app_uid=1000)
    assert says in "\n".join(caught.value.problems)


def test_the_user_that_listens_at_an_intercepted_port_is_not_the_sidecars() -> None:
    with pytest.raises(ConfigError) as caught:
        check_plan(plan(), listening={8000: 1337, 9000: 1337})
    (problem,) = caught.value.problems
    assert "1337 is the user that listens at port 8000" in problem
    check_plan(plan(), listening={8000: 1000, 9000: 1337})
    check_plan(plan(ports=()), listening={9000: 1337})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_plan(plan(ports=ranges("15006", "8000-8001", "8001"), uid=7), app_uid=7)
    assert len(caught.value.problems) == 3


@given(st.lists(ports, max_size=8))
def test_joining_ranges_loses_no_port_and_adds_none(given_ranges: list[PortRange]) -> None:
    result = joined(given_ranges)
    probes = {
        p for each in given_ranges for p in (each.first - 1, each.first, each.last, each.last + 1)
    }
    for port in probes:
        assert any(port in each for each in result) == any(port in each for each in given_ranges)
    assert all(one.last + 1 < two.first for one, two in pairwise(result))


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1/8", "300.0.0.0/8", "unix", "10.0.0.0/33", "fe80::1%eth0", "::1%a b/128"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network"):
        parse_network(text)


def test_a_network_that_no_packet_can_come_from_is_refused() -> None:
    with pytest.raises(ValueError, match="write it as IPv4"):
        parse_network("::ffff:10.0.0.0/104")
