import json
import math
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.identity import Identity, field_value

OURS = Identity({"username": "X-Auth-Username", "roles": "X-Auth-Roles"})

#: What a field value may hold without any reader falling over it.
SAFE = frozenset(range(0x20, 0x7F))

any_text = st.text(st.characters(codec=None), max_size=30)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(any_text, children, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "name",
    [
        b"x-auth-username",
        b"x_auth_username",
        b"x-auth_username",
        b"x.auth.username",
        b"x-auth.username",
        b"x~auth|username",
        b"x!auth#username",
        b"x-auth-roles",
        b"x_auth_roles",
        b"x-auth-status",
        b"x_auth_status",
    ],
)
def test_every_spelling_that_an_application_could_read_as_ours_is_forged(name: bytes) -> None:
    assert OURS.is_forged(name)


@pytest.mark.parametrize(
    "name", [b"x-auth-user", b"x-auth-usernames", b"xauthusername", b"auth-username", b"username"]
)
def test_another_name_is_not_forged(name: bytes) -> None:
    assert not OURS.is_forged(name)


def test_the_status_is_ours_even_where_no_claim_is_passed_on() -> None:
    assert Identity({}).is_forged(b"x_auth_status")
    assert not Identity({}).is_forged(b"x-auth-username")


def test_a_field_is_written_for_each_claim_that_the_token_has() -> None:
    assert OURS.lines({"username": "bruce", "other": "x"}, None) == b"X-Auth-Username: bruce\r\n"
    assert OURS.lines({"username": None}, None) == b""
    assert OURS.lines(None, None) == b""
    assert OURS.lines({"username": "a", "roles": ["b", "c"]}, "ok") == (
        b"X-Auth-Username: a\r\nX-Auth-Roles: b,c\r\nX-Auth-Status: ok\r\n"
    )


@given(any_json)
def test_no_claim_whatever_can_end_its_field(value: Any) -> None:
    encoded = field_value(value)
    assert set(encoded) <= SAFE
    assert encoded == encoded.strip(b" ")


@given(any_json, any_json)
def test_no_claim_whatever_can_add_a_field(username: Any, roles: Any) -> None:
    lines = OURS.lines({"username": username, "roles": roles}, "ok")
    expected = (username is not None) + (roles is not None) + 1
    assert lines.count(b"\r\n") == lines.count(b"\r") == lines.count(b"\n") == expected
    assert lines.endswith(b"X-Auth-Status: ok\r\n")


@given(any_text)
def test_text_can_be_read_back(text: str) -> None:
    assert unquote_to_bytes(field_value(text)) == text.encode("utf-8", "surrogatepass")


@given(st.lists(any_text, max_size=5))
def test_the_members_of_a_list_can_be_read_back(members: list[str]) -> None:
    read = [unquote_to_bytes(part) for part in field_value(members).split(b",")]
    assert read == ([text.encode("utf-8", "surrogatepass") for text in members] or [b""])


@given(st.text(st.sampled_from([chr(byte) for byte in SAFE if chr(byte) not in " %"]), max_size=20))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert field_value(text) == text.encode()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("Jürgen", b"J%C3%BCrgen"),
        ("a b", b"a b"),
        (" a ", b"%20a%20"),
        ("50%", b"50%25"),
        ("a\r\nX-Admin: 1", b"a%0D%0AX-Admin: 1"),
        ("\u2028", b"%E2%80%A8"),
        ("\u0661", b"%D9%A1"),
        ("\x00", b"%00"),
        ("\x85\xa0", b"%C2%85%C2%A0"),
        (7, b"7"),
        (1.5, b"1.5"),
        (True, b"true"),
        (False, b"false"),
        ([], b""),
        (["a,b", "c"], b"a%2Cb,c"),
        ([1, True, None], b"1,true,null"),
        ({"a": "ä"}, b'{"a":"%C3%A4"}'),
    ],
)
def test_a_claim_has_one_encoding(value: Any, encoded: bytes) -> None:
    assert field_value(value) == encoded


def test_a_number_beyond_json_is_still_harmless() -> None:
    for value in (math.inf, -math.inf, math.nan, 10**400, json.loads("1e999")):
        assert set(field_value(value)) <= SAFE
