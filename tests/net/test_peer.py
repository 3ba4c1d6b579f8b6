import pytest

from sidecar.net.peer import peer_address
from tests.net.transports import FakeTransport


class From(FakeTransport):
    def __init__(self, name: object) -> None:
        super().__init__()
        self._name = name

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._name if name == "peername" else default


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (("10.0.0.1", 5), b"10.0.0.1"),
        (("::1", 5, 0, 0), b"::1"),
        (("::ffff:10.0.0.1", 5, 0, 0), b"10.0.0.1"),
        (("fe80::1%eth0", 5, 0, 2), b"fe80::1"),
        ("", b"unix"),
        ("/run/peer.sock", b"unix"),
        (b"", b"unix"),
        (None, b""),
        ((), b"unix"),
    ],
)
def test_a_peer_has_one_name(name: object, address: bytes) -> None:
    assert peer_address(From(name)) == address
