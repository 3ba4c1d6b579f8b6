"""Every form takes what it describes, refuses the rest with ConfigError, and shows what it read."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.forms import ALGORITHMS, FORMS, bounded_form
from sidecar.errors import ConfigError
from sidecar.setting import FormName, Setting
from sidecar.tokens.signature import CHECKS

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", FORMS)
@given(value=plain_values)
def test_a_form_raises_nothing_but_config_errors_and_shows_what_it_read(
    name: FormName, value: object
) -> None:
    form = FORMS[name]
    try:
        parsed = form.parse(value)
    except ConfigError:
        return
    assert form.parse(form.show(parsed)) == parsed


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("address", "0.0.0.0:15006"),
        ("address", "[::]:15006"),
        ("address", "localhost:0"),
        ("address", "unix:/run/app.sock"),
        ("upstream_url", "http://127.0.0.1:8000"),
        ("upstream_url", "http://app"),
        ("upstream_url", "http://[::1]:8000/"),
        ("upstream_url", "unix:/run/app.sock"),
        ("upstream", "original-dst"),
        ("upstream", "http://127.0.0.1:8000"),
        ("network", "10.0.0.0/8"),
        ("network", "2001:db8::/32"),
        ("network", "192.0.2.7"),
        ("network", "unix"),
        ("url_path", "/admin/version/"),
        ("url_path", "/"),
        ("path_pattern", "/api/*/thoughts/*"),
        ("path_pattern", "/k%C3%A4se"),
        ("path_pattern", "/.well-known/x"),
        ("method", "GET"),
        ("method", "M-SEARCH"),
        ("field_name", "X-Auth-Username"),
        ("cookie_name", "session"),
        ("scheme", "Bearer"),
        ("scheme", ""),
        ("algorithm", "EdDSA"),
        ("claim", "admin"),
        ("claim", ["admin", 3, True]),
        ("claim", {"contains": "write"}),
        ("text", "grüße"),
        ("count", 100),
        ("flag", True),
    ],
)
def test_a_form_keeps_what_it_accepts(form: str, value: object) -> None:
    assert FORMS[cast(FormName, form)].parse(value) == value


@pytest.mark.parametrize(
    ("form", "value", "says"),
    [
        ("address", "15006", "HOST:PORT"),
        ("address", ":15006", "no host name"),
        ("address", "host:65536", "port above 65535"),
        ("address", "1.2.3.256:80", "no IPv4 address"),
        ("address", "[::1:80", "HOST:PORT"),
        ("address", "[x]:80", "no IPv6 address"),
        ("address", "::1:80", "HOST:PORT"),
        ("address", "unix:app.sock", "absolute path"),
        ("address", "unix:/" + "x" * 107, "more than 107 bytes"),
        ("address", 15006, "is not text"),
        ("upstream_url", "https://app", "TLS"),
        ("upstream_url", "http://app/api", "path or query"),
        ("upstream_url", "http://user:geheim@app", "password"),
        ("upstream_url", "http://app:0", "port 0"),
        ("upstream_url", "app:8000", "http://HOST:PORT"),
        ("upstream_url", "original-dst", "http://HOST:PORT"),
        ("upstream", "original_dst", "original-dst"),
        ("network", "10.0.0.1/8", "10.0.0.0/8"),
        ("network", "10.0.0.0/33", "is not a network"),
        ("network", "lb.example", "is not a network"),
        ("network", "::ffff:10.0.0.0/104", "write it as IPv4"),
        ("network", "fe80::1%eth0", "names an interface"),
        ("port_range", 0, "between 1 and 65535"),
        ("port_range", "1-65536", "between 1 and 65535"),
        ("port_range", "9-8", "ends before it begins"),
        ("port_range", "http", "a port or a range"),
        ("port_range", True, "is not a port"),
        ("web_url", "issuer.example/jwks", "is not a URL of http or https"),
        ("web_url", "ftp://issuer.example/jwks", "is not a URL of http or https"),
        ("web_url", "https://user:geheim@issuer.example/", "user name or password"),
        ("web_url", "https://issuer.example/#keys", "a fragment"),
        ("web_url", "https://issuer.example:0/", "port 0"),
        ("web_url", "https:///jwks", "is not a URL"),
        ("web_url", "https://issuer example/", "host name"),
        ("web_url", "https://issuer.example/a b", "is not a URL"),
        ("web_url", 5, "is not text"),
        ("issuer_url", "https://issuer.example/?a=b", "has a query"),
        ("url_path", "/a/*", "such as /version"),
        ("url_path", "version", "such as /version"),
        ("path_pattern", "/api/v*", "as a whole segment"),
        ("path_pattern", "/a//b", "no empty"),
        ("path_pattern", "/a/../b", ".. segment"),
        ("path_pattern", "/a/%2e%2E/b", ".. segment"),
        ("path_pattern", "/a?b=c", "no query"),
        ("path_pattern", "/käse", "%XX"),
        ("method", "get", "in capitals"),
        ("field_name", "X Auth", "header field"),
        ("field_name", "", "header field"),
        ("field_name", "X-Auth\r\n", "header field"),
        ("cookie_name", "a=b", "cookie name"),
        ("algorithm", "HS256", "never accepted with a public key"),
        ("algorithm", "none", "never accepted with a public key"),
        ("algorithm", "RS257", "not an algorithm"),
        ("claim", [], "a list of those"),
        ("claim", None, "a list of those"),
        ("claim", float("nan"), "a list of those"),
        ("claim", {"a": 1}, "a list of those"),
        ("claim", {"contains": []}, "a list of those"),
        ("text", "", "is empty"),
        ("text", "a\nb", "control characters"),
        ("text", "\udcff", "control characters"),
        ("text", 5, "put it in quotes"),
        ("file_path", "/a\0", "control characters"),
        ("count", True, "not a whole number"),
        ("count", 1.5, "not a whole number"),
        ("count", float("nan"), "not a whole number"),
        ("count", float("inf"), "not a whole number"),
        ("flag", "yes", "true or false"),
        ("flag", 1, "true or false"),
    ],
)
def test_a_form_says_what_it_would_accept(form: str, value: object, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FORMS[cast(FormName, form)].parse(value)
    assert says in caught.value.detail
    assert "geheim" not in caught.value.detail


def test_bounds_hold_for_every_way_of_writing_and_are_shown_as_users_write() -> None:
    form = bounded_form(FORMS["size"], Setting("", "size", minimum=1024, maximum=1 << 20))
    assert form.parse("1KiB") == 1024
    with pytest.raises(ConfigError, match="'1023' is less than 1KiB"):
        form.parse("1023")
    with pytest.raises(ConfigError, match="2097152 is more than 1MiB"):
        form.parse(2 << 20)


def test_the_algorithms_are_those_that_tokens_are_verified_with() -> None:
    assert set(ALGORITHMS) == set(CHECKS)
