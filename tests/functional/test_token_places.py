"""Where tokens stand, and that what is not for the application never gets there."""

from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import Application, Request, Talk
from tests.functional.client import Response, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess

PLACES: list[dict[str, str]] = [
    {"header": "Authorization", "scheme": "Bearer"},
    {"header": "X-Api-Token"},
    {"cookie": "session", "scheme": "Bearer"},
    {"query": "access_token"},
]
RULES = [
    {"paths": ["/open/*"], "access": "public"},
    {"paths": ["/maybe"], "access": "optional"},
]


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    claims = {"username": "X-Auth-Username"}
    return {
        "auth": {"from": PLACES, "rules": RULES, "forward": {"claims": claims}},
        "log": {"access": "all", "level": "debug"},
    }


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status, answer.problem_reason


@pytest.mark.parametrize(
    "field",
    [
        "Authorization: Bearer {}",
        "X-Api-Token: {}",
        "x-api-token:   {}",
        "Cookie: session={}",
        'Cookie: a=b; session="{}"; c=d',
        'Cookie: session="Bearer {}"',
        "Cookie: session=bearer {}",
    ],
)
def test_a_token_is_found_in_every_place_that_is_configured(
    sidecar: SidecarProcess, application: Application, signer: Signer, field: str
) -> None:
    assert sidecar.ask(request("/", field.format(signer.token()))).status == 200
    assert application.last.value("X-Auth-Username") == b"bruce"


@pytest.mark.parametrize(
    "field",
    ["Authorization: {}", "Authorization: Bearer\t{}", "Authorization: Basic x, Bearer {}"],
)
def test_no_token_that_a_lenient_application_would_find_passes_as_none(
    sidecar: SidecarProcess, application: Application, stranger: Signer, field: str
) -> None:
    answer = sidecar.ask(request("/maybe", field.format(stranger.token())))
    assert refusal(answer) == (401, "malformed")
    assert application.requests == []


def test_where_a_token_is_optional_another_scheme_passes_as_none(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert sidecar.ask(request("/maybe", "Authorization: Basic dXNlcjpwYXNz")).status == 200
    assert application.last.values("X-Auth-Username") == []


@pytest.mark.parametrize("spelling", ["X_Api_Token", "x.api-token", "X-API_TOKEN"])
@pytest.mark.parametrize("path", ["/me", "/maybe", "/open/x"])
def test_a_second_spelling_of_the_tokens_field_does_not_reach_the_application(
    sidecar: SidecarProcess,
    application: Application,
    signer: Signer,
    stranger: Signer,
    spelling: str,
    path: str,
) -> None:
    fields = [f"X-Api-Token: {signer.token()}", f"{spelling}: {stranger.token()}"]
    assert sidecar.ask(request(path, *fields)).status == 200
    assert [name for name in application.last.names if b"oken" in name.lower()] == [b"X-Api-Token"]


@pytest.mark.parametrize("name", ["X-Api-Token", "authorization"])
def test_naming_the_tokens_field_in_connection_does_not_take_the_token_away(
    sidecar: SidecarProcess, application: Application, signer: Signer, name: str
) -> None:
    token = signer.token()
    value = token if name == "X-Api-Token" else f"Bearer {token}"
    assert sidecar.ask(request("/me", f"{name}: {value}", f"Connection: {name}")).status == 200
    assert application.last.value(name) == value.encode()


def test_a_token_in_a_trailer_does_not_reach_the_application(
    sidecar: SidecarProcess, application: Application, signer: Signer, stranger: Signer
) -> None:
    application.answer = telling_trailers
    head = request(
        "/me",
        "Trailer: X-Api-Token, X-Checksum",
        "Transfer-Encoding: chunked",
        method="POST",
        token=signer.token(),
    )
    trailers = f"0\r\nX-Api-Token: {stranger.token()}\r\nX-Checksum: 1\r\n\r\n"
    answer = sidecar.ask(head + trailers.encode())
    assert (answer.status, answer.body) == (200, b"X-Checksum")


def telling_trailers(talk: Talk, received: Request) -> None:
    """Answer with the names of the request's trailers."""
    talk.read_body(received)
    body = b" ".join(name for name, _ in received.trailers)
    talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "x.forwarded-for", "X_Request_ID", "X-Request_Id"]
)
def test_another_spelling_of_what_only_we_write_does_not_reach_the_application(
    sidecar: SidecarProcess, application: Application, signer: Signer, name: str
) -> None:
    assert sidecar.ask(request("/me", f"{name}: 6.6.6.6", token=signer.token())).status == 200
    assert application.last.values(name) == []
    assert application.last.value("X-Forwarded-For") == b"127.0.0.1"


@pytest.mark.parametrize(
    ("query", "forwarded"),
    [
        ("?access_token={}", ""),
        ("?a=%7e+1&access_token={}&b=%2B", "?a=%7e+1&b=%2B"),
        ("?access%5Ftoken={}&&a", "?&a"),
        ("?%61ccess_token={}&a=1;b", "?a=1;b"),
        ("?a=1;Access_Token={}", "?a=1"),
        ("?access_token=Bearer+{}", ""),
        ("?access_token=bearer%20{}&x", "?x"),
    ],
)
@pytest.mark.parametrize("path", ["/me", "/open/x"])
def test_a_query_parameter_is_used_and_taken_out_byte_for_byte(
    sidecar: SidecarProcess,
    application: Application,
    signer: Signer,
    query: str,
    forwarded: str,
    path: str,
) -> None:
    target = path + query.format(signer.token())
    scheme = "earer" in query
    answer = sidecar.ask(request(target))

    if scheme and path == "/me":  # no scheme is configured for this place
        assert refusal(answer) == (401, "malformed")
        return
    assert answer.status == 200
    assert application.last.target == (path + forwarded).encode()
    assert b"ey" not in application.last.head


@pytest.mark.parametrize(
    "target",
    ["/me?access_token={0}&access_token={0}", "/me?a&access_token={0};access%5ftoken=x"],
)
def test_a_parameter_that_is_there_twice_is_a_duplicate(
    sidecar: SidecarProcess, application: Application, signer: Signer, target: str
) -> None:
    assert refusal(sidecar.ask(request(target.format(signer.token())))) == (400, "duplicate")
    assert application.requests == []


def test_what_was_in_a_query_is_in_no_log_and_no_answer(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(exp=5, iat=4)
    for number, path in enumerate(("/me", "/open/x", "/open/../x", "/version")):
        target = f"{path}?access_token={token}"
        answer = sidecar.ask(request(target, f"X-Request-ID: query-{number}"))
        assert token.encode() not in answer.raw
        sidecar.access_line(f"query-{number}")
    assert "access_token" not in sidecar.stderr


def test_a_target_without_the_parameter_is_forwarded_as_it_is(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    for target in ("/a?", "/a?&&x=%zz", "/a?x=access_token=1", "/a?access_tokens=1", "/a%3Fb"):
        assert sidecar.ask(request(target, token=signer.token())).status == 200
        assert application.last.target == target.encode()


def test_a_query_is_no_place_where_nobody_asked_for_it(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    target = f"/me?access_token={signer.token()}"

    assert refusal(sidecar.ask(request(target))) == (401, "missing")
    assert sidecar.ask(request(target, token=signer.token())).status == 200
    assert application.last.target == target.encode()


# --- strip -------------------------------------------------------------------------------------


def test_a_stripped_token_reaches_the_application_from_no_place_and_on_no_path(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    auth = {"from": PLACES, "rules": RULES, "forward": {"token": "strip"}}
    sidecar = launch({"auth": auth}, application=application, keyring=keyring)
    token = signer.token()
    others = ["Accept: */*", "X-Api-Tokens: stays", 'Cookie: a="b=c" ;d= 1;  e']
    for path in ("/me", "/open/x"):
        fields = [
            f"Authorization: Bearer {token}",
            f"X-Api-Token: {token}",
            f"x_api_token: {token}",
            f"X.Api.Token: {token}",
            f"Cookie: session={token}",
            f'Cookie: x=1; session="Bearer {token}"; y="2"',
        ]
        if path == "/me":
            fields = fields[:5]
        answer = sidecar.ask(request(f"{path}?q&access_token={token}", *others, *fields))
        assert answer.status == 200, answer
        sent = application.last
        assert token.encode() not in sent.head
        assert sent.target == f"{path}?q".encode()
        expected = [b'a="b=c" ;d= 1;  e'] + ([b'x=1; y="2"'] if path == "/open/x" else [])
        assert sent.values("Cookie") == expected
        assert sent.values("X-Api-Tokens") == [b"stays"]
        assert [name for name in sent.names if b"oken" in name] == [b"X-Api-Tokens"]
