import pytest

from sidecar.net.networks import Networks

NETWORKS = Networks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("peer", "is_listed"),
    [
        (b"10.200.3.4", True),
        (b"11.0.0.1", False),
        (b"192.0.2.7", True),
        (b"192.0.2.8", False),
        (b"2001:db8:1::1", True),
        (b"2001:db9::1", False),
        (b"unix", False),
        (b"", False),
        (b"\xff", False),
    ],
)
def test_a_peer_is_of_a_listed_network_or_not(peer: bytes, is_listed: bool) -> None:
    assert (peer in NETWORKS) is is_listed


def test_the_peers_of_unix_sockets_have_a_word_of_their_own() -> None:
    networks = Networks(["unix"])
    assert networks
    assert b"unix" in networks
    assert b"127.0.0.1" not in networks


def test_no_networks_list_nobody() -> None:
    assert not Networks([])
    assert b"127.0.0.1" not in Networks([])
