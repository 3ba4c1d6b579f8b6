"""Who listens at a port is read from the kernel's own tables."""

import os
import socket
from pathlib import Path

import pytest

from sidecar.interception import listeners
from sidecar.interception.listeners import load_listening_users, parse_listeners

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 4711 1
   1: 0100007F:1F41 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1
   2: 0100007F:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
"""


def test_a_table_names_the_user_of_each_listening_socket() -> None:
    assert dict(parse_listeners(TABLE)) == {8000: 1337, 15006: 0}


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_a_real_listener_is_found(host: str, family: socket.AddressFamily) -> None:
    with socket.create_server((host, 0), family=family) as listener:
        assert load_listening_users()[listener.getsockname()[1]] == os.geteuid()


def test_what_cannot_be_read_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listeners, "_TABLES", (tmp_path / "tcp",))
    assert load_listening_users() == {}
