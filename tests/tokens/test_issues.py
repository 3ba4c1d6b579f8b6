"""Which answers hand out tokens, and where in them."""

import json
from typing import Any

import pytest

from sidecar.tokens.issues import IssuePlaces, Places
from sidecar.tokens.settings import IssueSettings
from sidecar.wire.head import Head

NOW = 1_800_000_000.0
LOGIN = IssueSettings(paths=("/api/login",), methods=("POST",), json="data.token")
HEADER = IssueSettings(paths=("/api/header",), methods=("GET",), header="X-Token")
COOKIE = IssueSettings(paths=("/api/*",), cookie="session")
PLACES = IssuePlaces((LOGIN, HEADER))


def place(settings: IssueSettings, method: str = "POST", path: bytes = b"/api/login") -> Places:
    found = IssuePlaces((settings,)).of(method, path)
    assert found is not None
    return found


def head(*fields: tuple[str, str]) -> Head:
    encoded = [
        (name.lower().encode(), name.encode(), value.encode(), b"") for name, value in fields
    ]
    return Head(1, encoded)


def find(
    places: Places,
    *fields: tuple[str, str],
    body: object = None,
    status: int = 200,
    method: str = "POST",
) -> tuple[tuple[bytes, ...], str | None]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    findings = places.find(method, status, head(*fields).values, content, NOW)
    return findings.texts, None if findings.failure is None else findings.failure.reason


# --- which answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "is_certain"),
    [
        ("POST", b"/api/login", True),
        ("post", b"/api/login", True),
        ("GET", b"/api/header", True),
        ("HEAD", b"/api/header", True),
        ("POST", b"/api/login/", False),
        ("POST", b"//api/login", False),
        ("POST", b"/API/Login", False),
        ("POST", b"/x/../api/login", False),
        ("POST", b"/api%2Flogin", False),
        ("POST", b"/api/login;v=1", False),
    ],
)
def test_a_path_is_watched_however_it_is_spelt(method: str, path: bytes, is_certain: bool) -> None:
    found = PLACES.of(method, path)
    assert found is not None
    assert found.is_certain is is_certain


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", b"/api/login"),
        ("POST", b"/api/header"),
        ("POST", b"/api/logins"),
        ("POST", b"/api"),
        ("POST", b"/"),
        ("OPTIONS", b"*"),
    ],
)
def test_other_answers_are_not(method: str, path: bytes) -> None:
    assert PLACES.of(method, path) is None


def test_what_is_remembered_of_paths_is_bounded() -> None:
    for number in range(10_000):
        assert PLACES.of("POST", b"/other/%d" % number) is None
    assert len(PLACES._remembered) <= 4096
    assert PLACES.of("POST", b"/" + b"a" * 5000) is None


def test_places_of_several_settings_are_joined() -> None:
    found = IssuePlaces((LOGIN, COOKIE)).of("POST", b"/api/login")
    assert found is not None
    assert (found.members, found.cookies) == ((("data", "token"),), (b"session",))
    texts, _ = find(found, ("Set-Cookie", "session=b.c.d"), body={"data": {"token": "a.b.c"}})
    assert texts == (b"b.c.d", b"a.b.c")


def test_the_scope_tells_other_settings_and_only_those() -> None:
    assert IssuePlaces((LOGIN,)).scope == IssuePlaces((LOGIN,)).scope
    assert IssuePlaces((LOGIN,)).scope != IssuePlaces((HEADER,)).scope


# --- where in them ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a.b.c", "Bearer a.b.c", "  bearer   a.b.c "])
def test_a_scheme_before_the_token_is_skipped(value: str) -> None:
    assert find(place(LOGIN), body={"data": {"token": value}}) == ((b"a.b.c",), None)
    places = place(HEADER, "GET", b"/api/header")
    assert find(places, ("X-TOKEN", value), method="GET") == ((b"a.b.c",), None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "no_token"),
        ({"data": None}, "no_token"),
        ({"data": {"token": ""}}, "no_token"),
        ({"data": [{"token": "a.b.c"}]}, "no_token"),
        ({"data": {"token": ["a.b.c"]}}, "no_jwt"),
        ({"data": {"token": "Bearer a b"}}, "no_jwt"),
        ({"data": {"token": "a.b.c d.e.f"}}, "no_jwt"),
        (b"", "no_json"),
        (b'"a.b.c"', "no_json"),
        (b'{"data": {"token": "a", "token": "b"}}', "no_json"),
    ],
)
def test_a_success_without_a_readable_token_says_why(body: Any, reason: str) -> None:
    assert find(place(LOGIN), body=body) == ((), reason)


def test_a_place_that_holds_no_text_hides_no_token_of_another_one() -> None:
    first, second = (IssueSettings(paths=("/a",), json=name) for name in ("x", "y"))
    places = IssuePlaces([first, second]).of("POST", b"/a")
    assert places is not None
    assert find(places, body={"x": ["a.b.c"], "y": "d.e.f"}) == ((b"d.e.f",), "no_jwt")


@pytest.mark.parametrize("status", [301, 304, 400, 401, 404, 500, 503])
def test_only_a_success_has_to_hold_a_token(status: int) -> None:
    assert find(place(LOGIN), body=b"<html>", status=status) == ((), None)


def test_a_token_in_an_answer_that_should_have_no_body_is_one_all_the_same() -> None:
    texts, failure = find(place(LOGIN), body={"data": {"token": "a.b.c"}}, status=205)
    assert (texts, failure) == ((b"a.b.c",), None)
    assert find(place(LOGIN), body=b"", status=205) == ((), None)


@pytest.mark.parametrize(("status", "method"), [(204, "POST"), (200, "HEAD"), (200, "OPTIONS")])
def test_nor_has_an_answer_without_a_body(status: int, method: str) -> None:
    places = place(IssueSettings(paths=("/a",), json="token"), method, b"/a")
    assert find(places, body=b"", status=status, method=method) == ((), None)


def test_a_token_in_a_failure_is_one_all_the_same() -> None:
    texts, failure = find(place(LOGIN), body={"data": {"token": "a.b.c"}}, status=418)
    assert (texts, failure) == ((b"a.b.c",), None)


def test_a_doubtful_path_needs_no_token_but_one_is_found_there() -> None:
    doubtful = place(LOGIN, path=b"/api/login/")
    assert find(doubtful, body=b"<html>") == ((), None)
    assert find(doubtful, body={"data": {"token": "a.b.c"}}) == ((b"a.b.c",), None)
    assert find(doubtful, body={"data": {"token": {}}}) == ((), "no_jwt")


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("session=a.b.c", (b"a.b.c",)),
        (' session = "a.b.c" ; Path=/; HttpOnly', (b"a.b.c",)),
        ("session=Bearer%20a.b.c; Max-Age=60", (b"a.b.c",)),
        ("session=; Max-Age=0", ()),
        ("session=gone; Max-Age=-1", ()),
        ("session=a.b.c; max-age=0", (b"a.b.c",)),
        ("session=a.b.c; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", (b"a.b.c",)),
        ("session=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ()),
        ("session=a.b.c; Expires=Fri, 31 Dec 2100 23:59:59 GMT", (b"a.b.c",)),
        ("session=a.b.c; Expires=nonsense", (b"a.b.c",)),
        ("session=a.b.c; Max-Age=" + "9" * 5000, (b"a.b.c",)),
        ("Session=a.b.c", ()),
        ("other=session=a.b.c", ()),
    ],
)
def test_a_cookie_holds_a_token_unless_it_is_deleted(field: str, texts: tuple[bytes, ...]) -> None:
    found, _ = find(place(COOKIE), ("Set-Cookie", "a=1"), ("Set-Cookie", field), body=b"")
    assert found == texts


def test_a_list_is_entered_by_its_index() -> None:
    places = place(IssueSettings(paths=("/a",), json="tokens.1.text"), path=b"/a")
    body = {"tokens": [{"text": "x.y.z"}, {"text": "a.b.c"}]}
    assert find(places, body=body) == ((b"a.b.c",), None)
    assert find(places, body={"tokens": []}) == ((), "no_token")
