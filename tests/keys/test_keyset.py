"""What a remote source's documents mean, and what of them is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import KeyFileError
from sidecar.keys.keyset import KeySetUnusable, discovery_url, parse_discovery, read_key_set
from tests.keys.remote_source import URL, jwk, jwks

ISSUER = "https://issuer.example/tenant"


def read(content: bytes, url: str = URL) -> list[str]:
    return [key.id for key in read_key_set(content, url=url, source="name").keys]


def test_a_set_gives_its_keys_under_their_ids() -> None:
    assert read(jwks("a", "b")) == ["a", "b"]


def test_a_key_without_an_id_is_named_after_the_url() -> None:
    content = json.dumps({"keys": [jwk(None)]}).encode()
    assert read(content) == ["jwks"]
    assert read(content, "https://issuer.example/keys/2026-11.json?a=b") == ["2026-11"]
    assert read(content, "https://issuer.example/") == ["issuer.example"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<!doctype html><title>Sign in</title>", "is HTML"),
        (b"[]", "is not a JSON object"),
        (b"-----BEGIN PUBLIC KEY-----", "is not a JSON object"),
        (b'{"keys"', "is not usable JSON"),
        (b"{" * 100_000, "is not usable JSON"),
        (b'{"keys": [], "keys": []}', "is not usable JSON"),
        (b'{"error": "no such tenant"}', "no JWKS"),
        (b'{"keys": {}}', "is not a list"),
        (b'{"keys": []}', "without keys"),
        (b'{"keys": [1]}', "is not a JSON object"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "is a symmetric key"),
    ],
)
def test_a_set_without_a_usable_key_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        read(content)
    assert says in caught.value.detail
    assert "c2VjcmV0" not in caught.value.detail


def test_a_set_of_private_keys_says_that_they_are() -> None:
    with pytest.raises(KeySetUnusable) as caught:
        read(json.dumps({"keys": [{**jwk("a"), "d": "AAAA"}]}).encode())
    assert [problem.is_private for problem in caught.value.problems] == [True]


def test_keys_for_other_purposes_are_no_fault_of_a_set() -> None:
    others = [{**jwk("b"), "use": "enc"}, {"kty": "AKP"}, {**jwk("c"), "key_ops": ["sign"]}]
    reading = read_key_set(
        json.dumps({"keys": [jwk("a"), *others]}).encode(), url=URL, source="name"
    )
    assert [problem.is_foreign for problem in reading.problems] == [True] * 3


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda x: str(x).encode()))
def test_whatever_is_answered_only_the_foreseen_error_is_raised(content: bytes) -> None:
    for attempt in (content, b'{"keys": [' + content + b"]}", b'{"issuer": ' + content + b"}"):
        with pytest.raises(KeyFileError):
            read(attempt)
        with pytest.raises(KeyFileError):
            parse_discovery(attempt, ISSUER, insecure=False)


# --- discovery ---------------------------------------------------------------------------------


def discover(issuer: str = ISSUER, *, insecure: bool = False, **document: Any) -> str:
    content = json.dumps({"issuer": issuer, **document}).encode()
    return parse_discovery(content, issuer, insecure=insecure)


def test_the_document_is_below_the_issuer_without_its_last_slash() -> None:
    wanted = "https://issuer.example/tenant/.well-known/openid-configuration"
    assert discovery_url("https://issuer.example/tenant") == wanted
    assert discovery_url("https://issuer.example/tenant/") == wanted


def test_the_keys_may_be_on_another_host() -> None:
    assert discover(jwks_uri="https://keys.example/x?y=z") == "https://keys.example/x?y=z"


@pytest.mark.parametrize(
    "claimed", ["https://issuer.example/tenant/", "https://ISSUER.example/tenant", None, 5, ""]
)
def test_the_document_of_another_issuer_is_refused(claimed: object) -> None:
    content = json.dumps({"issuer": claimed, "jwks_uri": URL}).encode()
    with pytest.raises(KeyFileError, match="of another issuer"):
        parse_discovery(content, ISSUER, insecure=False)


@pytest.mark.parametrize(
    "jwks_uri", [None, 5, "", "/jwks.json", "file:///etc/passwd", "https://a:b@c/", "https://"]
)
def test_a_document_that_does_not_say_where_the_keys_are_is_refused(jwks_uri: object) -> None:
    with pytest.raises(KeyFileError, match="jwks_uri"):
        discover(jwks_uri=jwks_uri)


@pytest.mark.parametrize("jwks_uri", ["http://keys.example/", "http://127.0.0.1/", "http://[::1]/"])
def test_an_issuer_behind_tls_does_not_lead_out_of_it(jwks_uri: str) -> None:
    with pytest.raises(KeyFileError, match="not https"):
        discover(jwks_uri=jwks_uri)


def test_plain_http_is_followed_where_it_was_asked_for() -> None:
    plain = "http://keys.example/"
    assert discover("http://issuer.example", insecure=True, jwks_uri=plain) == plain
    local = "http://127.0.0.1:8080/jwks"
    assert discover("http://localhost:8080", jwks_uri=local) == local
    with pytest.raises(KeyFileError, match="not https"):
        discover("http://localhost:8080", jwks_uri=plain)
