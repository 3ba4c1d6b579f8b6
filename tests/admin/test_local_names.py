"""A page for this machine alone answers to no name that could have been made to lead to it."""

import pytest

from sidecar.admin.local_names import is_local_name


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:15030", "a.localhost:1", "127.0.0.1:15030", "[::1]:15030", "10.0.0.7"],
)
def test_addresses_and_localhost_are_names_of_this_machine(host: str) -> None:
    assert is_local_name(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:15030", "localhost.evil.example", "notlocalhost"),
        *("127.0.0.1.evil.example", "127.0.0.1@evil.example", "2130706433", "[::1", ":15030"),
        *("evil.example#localhost", "evil.example/localhost", "evil.example\\@localhost"),
    ],
)
def test_every_other_name_may_lead_anywhere(host: str) -> None:
    assert not is_local_name(host)
