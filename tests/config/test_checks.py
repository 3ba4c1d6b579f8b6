"""Settings that are each right and together wrong are refused, with the path to change."""

from dataclasses import replace
from typing import Any

import pytest

from sidecar.config.checks import find_contradictions
from sidecar.config.settings import Settings
from sidecar.keys.settings import KeySourceSettings
from sidecar.tokens.settings import (
    AuthSettings,
    ForwardSettings,
    IssueSettings,
    PlaceSettings,
    ResignSettings,
    RuleSettings,
)
from sidecar.upstream.settings import UpstreamSettings

GOOD = Settings(keyring=(KeySourceSettings("/keys"),))


def contradictions(**changes: Any) -> list[str]:
    return find_contradictions(replace(GOOD, **changes))


def auth_contradictions(**changes: Any) -> list[str]:
    return contradictions(auth=AuthSettings(**changes))


def test_the_defaults_with_a_keyring_contradict_nothing() -> None:
    assert find_contradictions(GOOD) == []


@pytest.mark.parametrize(
    ("listen", "admin"),
    [
        (("0.0.0.0:1", "0.0.0.0:1"), "0.0.0.0:2"),
        (("0.0.0.0:1", "127.0.0.1:1"), "0.0.0.0:2"),
        (("LOCALHOST:1", "localhost:1"), "0.0.0.0:2"),
        (("0.0.0.0:1",), "0.0.0.0:1"),
        (("127.0.0.1:1",), "0.0.0.0:1"),
        (("[::]:1",), "0.0.0.0:1"),
        (("[::]:1",), "[::1]:1"),
        (("unix:/a",), "unix:/a"),
    ],
)
def test_two_listeners_on_one_address_are_refused(listen: tuple[str, ...], admin: str) -> None:
    (problem,) = contradictions(listen=listen, admin=admin)
    assert "cannot be opened twice" in problem


@pytest.mark.parametrize(
    ("listen", "admin"),
    [
        (("127.0.0.1:1",), "127.0.0.2:1"),
        (("127.0.0.1:1", "[::1]:1"), "0.0.0.0:2"),
        (("0.0.0.0:1", "[::1]:1"), "0.0.0.0:2"),
        (("127.0.0.1:0",), "127.0.0.1:0"),
        (("unix:/a", "unix:/b"), "0.0.0.0:2"),
    ],
)
def test_listeners_that_do_not_meet_are_fine(listen: tuple[str, ...], admin: str) -> None:
    assert contradictions(listen=listen, admin=admin) == []


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("0.0.0.0:1", "http://localhost:1"),
        ("[::]:1", "http://[::1]:1"),
        ("127.0.0.1:1", "http://localhost:1"),
        ("10.0.0.5:1", "http://10.0.0.5:1"),
        ("0.0.0.0:80", "http://localhost"),
        ("unix:/a", "unix:/a"),
    ],
)
def test_an_upstream_that_is_the_sidecar_itself_is_refused(listen: str, upstream: str) -> None:
    (problem,) = contradictions(listen=(listen,), upstream=UpstreamSettings(url=upstream))
    assert "every request would come back to it" in problem


def test_the_admin_port_is_no_upstream_either() -> None:
    (problem,) = contradictions(upstream=UpstreamSettings(url="http://127.0.0.1:15020"))
    assert problem.startswith("upstream.url: http://127.0.0.1:15020 is this sidecar's own admin")


@pytest.mark.parametrize(
    "upstream", ["http://127.0.0.1:15007", "http://app:15006", "http://10.0.0.9:15006"]
)
def test_an_upstream_elsewhere_is_fine(upstream: str) -> None:
    assert contradictions(upstream=UpstreamSettings(url=upstream)) == []


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_verifying_without_keys_is_refused(mode: str) -> None:
    (problem,) = contradictions(keyring=(), auth=AuthSettings(mode=mode))
    assert problem.startswith(f"auth.keyring: is needed while auth.mode is {mode}")


def test_keys_are_not_needed_where_nothing_is_verified() -> None:
    assert contradictions(keyring=(), auth=AuthSettings(mode="off")) == []


URL = "https://issuer.example/jwks"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"path": "/k", "ca": "/ca.pem"}, ".ca: means nothing for a path"),
        ({"path": "/k", "refresh_s": 5.0}, ".refresh: means nothing for a path"),
        ({"path": "/k", "keep_removed_s": 5.0}, ".keep_removed: means nothing for a path"),
        ({"path": "/k", "insecure": True}, ".insecure: means nothing for a path"),
        ({"url": URL, "insecure": True}, ".insecure: means nothing for https"),
        ({"url": "http://127.0.0.1/", "ca": "/ca.pem"}, ".ca: means nothing for http"),
        ({"url": "http://a.example/"}, ".url: 'http://a.example/' is not encrypted"),
        ({"issuer": "http://127.a.example"}, ".issuer: 'http://127.a.example' is not encrypted"),
        ({"path": "/keys"}, ": '/keys' is listed before"),
    ],
)
def test_a_source_of_keys_that_misleads_is_refused(source: dict[str, Any], problem: str) -> None:
    keyring = (*GOOD.keyring, KeySourceSettings(**source))
    (found,) = contradictions(keyring=keyring)
    assert found.startswith(f"auth.keyring[1]{problem}")


@pytest.mark.parametrize(
    "source",
    [
        {"url": URL, "ca": "/ca.pem", "refresh_s": 5.0, "keep_removed_s": 5.0},
        {"url": "http://a.example/", "insecure": True},
        {"url": "http://127.0.0.1:8080/"},
        {"issuer": "http://[::1]:8080"},
        {"issuer": "http://localhost", "ca": "/ca.pem"},
        {"path": "/k", "insecure": False},
    ],
)
def test_a_source_of_keys_that_is_safe_or_asked_for_is_fine(source: dict[str, Any]) -> None:
    assert contradictions(keyring=(*GOOD.keyring, KeySourceSettings(**source))) == []


def test_tokens_cannot_be_bounded_and_unbounded_at_once() -> None:
    assert auth_contradictions(allow_unbounded=True) == []
    problems = auth_contradictions(allow_unbounded=True, max_lifetime_s=60.0, require=("exp",))
    assert [problem.partition(":")[0] for problem in problems] == ["auth.allow_unbounded"] * 2


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (PlaceSettings(header="Connection"), "belongs to one connection only"),
        (PlaceSettings(header="Proxy-Authorization"), "belongs to one connection only"),
        (PlaceSettings(header="cookie"), "write cookie: NAME"),
        (PlaceSettings(header="X-Token"), "is listed before"),
    ],
)
def test_a_place_that_can_hold_no_token_is_refused(place: PlaceSettings, says: str) -> None:
    (problem,) = auth_contradictions(places=(PlaceSettings(header="x-token"), place))
    assert problem.startswith("auth.from[1]")
    assert says in problem


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "connection",
        "TE",
        "Host",
        "Content-Length",
        "X_Forwarded.For",
        "X-Auth-Status",
    ],
)
def test_a_claim_cannot_be_written_into_a_field_with_a_meaning(name: str) -> None:
    (problem,) = auth_contradictions(forward=ForwardSettings(claims={"username": name}))
    assert problem.startswith(f"auth.forward.claims.username: {name} has a meaning of its own")


def test_two_claims_cannot_share_a_field_in_any_spelling() -> None:
    claims = {"a": "X-Auth-User", "b": "x_auth_user"}
    (problem,) = auth_contradictions(forward=ForwardSettings(claims=claims))
    assert problem == "auth.forward.claims.b: x_auth_user already carries the claim a"


def test_a_claim_cannot_be_written_where_a_token_is_looked_for() -> None:
    (problem,) = auth_contradictions(
        places=(PlaceSettings(header="X-Token"),),
        forward=ForwardSettings(claims={"a": "x-token"}),
    )
    assert "is where a token is looked for" in problem


def test_a_rule_behind_one_that_matches_everything_is_refused() -> None:
    rules = (
        RuleSettings(("/a", "/*"), methods=("GET",)),
        RuleSettings(("/a", "/*")),
        RuleSettings(("/internal/*",), access="deny"),
    )
    (problem,) = auth_contradictions(rules=rules)
    assert problem == "auth.rules[2]: is never reached: auth.rules[1] matches every request"


def test_a_rule_that_the_proxy_could_not_compile_is_refused_before_it_runs() -> None:
    (problem,) = auth_contradictions(rules=(RuleSettings(("/a//b",)),))
    assert problem.startswith("auth.rules[0].paths: ")


@pytest.mark.parametrize("access", ["public", "deny"])
def test_claims_of_a_rule_that_looks_at_no_token_are_refused(access: str) -> None:
    rules = (RuleSettings(("/a",), access=access, claims={"role": "admin"}),)
    (problem,) = auth_contradictions(rules=rules)
    assert problem == f"auth.rules[0].claims: are not looked at where access is {access}"


def test_a_check_is_left_out_where_a_setting_that_it_reads_could_not_be_read() -> None:
    settings = replace(GOOD, keyring=())
    assert find_contradictions(settings)
    assert find_contradictions(settings, {"auth.keyring"}) == []
    assert find_contradictions(settings, {"auth.mode"}) == []
    assert find_contradictions(settings, {"auth.rules"}) != []


# --- tokens of our own ---------------------------------------------------------------------------


def resigning(mode: str = "enforce", **resign: Any) -> list[str]:
    settings = ResignSettings(**{"public_key": "/shared/public_key.pub", **resign})
    forward = ForwardSettings(token="resign", resign=settings, claims={"sub": "X-User"})
    return auth_contradictions(mode=mode, forward=forward)


def test_resigning_with_a_place_for_the_key_contradicts_nothing() -> None:
    assert resigning() == []
    assert resigning(mode="observe", header="X-Token", scheme="") == []


def test_resigning_needs_a_file_that_the_application_reads() -> None:
    (problem,) = resigning(public_key=None)
    assert problem.startswith("auth.forward.resign.public_key: is needed")


def test_resigning_needs_verified_tokens() -> None:
    (problem,) = resigning(mode="off")
    assert problem.startswith("auth.forward.token: resign needs verified tokens")


@pytest.mark.parametrize(
    "path", ["/keys/own.pub", "/keys//own.pub", "/keys/../keys/own.pub", "/keys"]
)
def test_our_own_key_may_not_lie_where_keys_are_trusted(path: str) -> None:
    (problem,) = resigning(public_key=path)
    assert problem.startswith("auth.forward.resign.public_key: lies in auth.keyring")


@pytest.mark.parametrize("header", ["Host", "cookie", "Connection", "X_User", "X-Auth-Status"])
def test_our_own_token_may_not_stand_where_something_else_does(header: str) -> None:
    (problem,) = resigning(header=header)
    assert problem.startswith(f"auth.forward.resign.header: {header} has a meaning of its own")


def test_a_key_that_nobody_would_use_is_a_mistake() -> None:
    resign = ResignSettings(public_key="/shared/public_key.pub")
    (problem,) = auth_contradictions(forward=ForwardSettings(resign=resign))
    assert problem == "auth.forward.resign: says nothing while auth.forward.token is keep"


def test_one_query_parameter_is_listed_once() -> None:
    places = (PlaceSettings(query="a"), PlaceSettings(cookie="a"), PlaceSettings(query="a"))
    (problem,) = auth_contradictions(places=places)
    assert problem == "auth.from[2]: the query parameter a is listed before"


# --- what is handed out ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issue", "problem"),
    [
        (IssueSettings(paths=("/a",), header="Transfer-Encoding"), "belongs to one connection"),
        (IssueSettings(paths=("/a",), header="Set-Cookie"), "write cookie: NAME instead"),
        (IssueSettings(paths=("/version",), json="t"), "is answered by the sidecar itself"),
    ],
)
def test_a_place_in_which_no_token_can_be_seen_is_refused(
    issue: IssueSettings, problem: str
) -> None:
    (found,) = auth_contradictions(issues=(issue,))
    assert found.startswith("auth.issues[0].")
    assert problem in found


def test_the_same_place_twice_is_named() -> None:
    issue = IssueSettings(paths=("/login",), json="token")
    (found,) = auth_contradictions(issues=(issue, issue))
    assert found == "auth.issues[1]: is the same as auth.issues[0]"


def test_watching_needs_keys_though_nothing_is_verified() -> None:
    auth = AuthSettings(mode="off", issues=(IssueSettings(paths=("/login",), json="token"),))
    (found,) = contradictions(auth=auth, keyring=())
    assert found.startswith("auth.issues: needs auth.keyring")
    assert contradictions(auth=auth) == []
