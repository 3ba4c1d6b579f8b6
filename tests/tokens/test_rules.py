"""Which rule decides, and which paths nobody may decide on."""

from itertools import chain, combinations
from posixpath import normpath
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import AmbiguousPath, ConfigError
from sidecar.tokens.paths import show
from sidecar.tokens.rules import Access, Rules
from sidecar.tokens.settings import RuleSettings


def rule(
    *paths: str, methods: tuple[str, ...] = (), access: str = "token", **claims: object
) -> RuleSettings:
    return RuleSettings(paths, methods, access, claims)


CONTRACT = Rules(
    (
        rule("/healthz", access="public"),
        rule("/api/thoughts/*", methods=("GET",), access="public"),
        rule("/admin/*", role="admin"),
        rule("/internal/*", access="deny"),
        rule("/*"),
    )
)


def index(rules: Rules, path: bytes, method: str = "GET") -> int | None:
    return rules.match(method, path).index


def is_ambiguous(rules: Rules, path: bytes, method: str = "GET") -> bool:
    try:
        rules.match(method, path)
    except AmbiguousPath:
        return True
    return False


# --- what a rule means ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", b"/healthz", 0),
        ("POST", b"/healthz", 0),
        ("GET", b"/healthz/", 4),
        ("GET", b"/healthzz", 4),
        ("GET", b"/api/thoughts/", 1),
        ("GET", b"/api/thoughts/7/replies", 1),
        ("GET", b"/api/thoughts", 4),
        ("POST", b"/api/thoughts/", 4),
        ("HEAD", b"/api/thoughts/", 1),
        ("GET", b"/admin/users", 2),
        ("DELETE", b"/internal/x", 3),
        ("GET", b"/", 4),
        ("GET", b"/.well-known/x", 4),
        ("GET", b"/a...b/..c", 4),
    ],
)
def test_the_first_rule_that_matches_decides(method: str, path: bytes, expected: int) -> None:
    assert index(CONTRACT, path, method) == expected


def test_no_match_means_that_a_token_is_needed() -> None:
    found = Rules((rule("/healthz", access="public"),)).match("GET", b"/x")
    assert (found.index, found.access, found.conditions) == (None, Access.TOKEN, ())


def test_without_rules_every_path_needs_a_token_however_it_is_written() -> None:
    for path in (b"/", b"//x", b"/a/../b", b"/%2e%2e/", b"/\\", b"*", b"/%00", b"/" + b"/a" * 5000):
        assert Rules(()).match("GET", path).access is Access.TOKEN


def test_a_star_in_the_middle_is_one_segment_that_is_not_empty() -> None:
    rules = Rules((rule("/users/*/photo", access="public"),))
    assert index(rules, b"/users/7/photo") == 0
    assert index(rules, b"/users/7/8/photo") is None
    assert index(rules, b"/users/photo") is None
    assert index(rules, b"/users/7/photo/") is None
    assert index(rules, b"/users//photo") is None
    assert is_ambiguous(rules, b"/users//7/photo")


def test_a_star_at_the_end_is_the_rest_even_nothing() -> None:
    rules = Rules((rule("/a/*/b/*", access="public"),))
    assert index(rules, b"/a/x/b/") == 0
    assert index(rules, b"/a/x/b/c/d") == 0
    assert index(rules, b"/a/x/b") is None


def test_a_literal_segment_does_not_hide_a_star_beside_it() -> None:
    rules = Rules((rule("/a/b/c", access="deny"), rule("/a/*/d", access="public")))
    assert index(rules, b"/a/b/d") == 1
    assert index(rules, b"/a/b/c") == 0


def test_patterns_may_be_written_encoded_or_not() -> None:
    for pattern in ("/caf\u00e9", "/caf%C3%A9", "/caf%c3%a9"):
        rules = Rules((rule(pattern, access="public"),))
        assert index(rules, b"/caf%C3%A9") == 0
        assert index(rules, b"/caf%c3%a9") == 0


def test_escapes_that_a_client_must_use_are_nothing_odd() -> None:
    assert index(CONTRACT, b"/api/thoughts/a%20b%C3%A9%22") == 1
    assert index(CONTRACT, b"/wiki/100%25") == 4


def test_a_method_in_another_case_does_not_slip_past_a_rule() -> None:
    rules = Rules((rule("/x", methods=("DELETE",), access="deny"),))
    assert index(rules, b"/x", "DELETE") == 0
    assert index(rules, b"/x", "GET") is None
    assert is_ambiguous(rules, b"/x", "delete")
    assert index(rules, b"/y", "delete") is None


def test_options_of_the_server_itself_falls_under_no_rule() -> None:
    assert index(CONTRACT, b"*", "OPTIONS") is None


def test_what_does_not_begin_with_a_slash_is_ambiguous() -> None:
    assert is_ambiguous(CONTRACT, b"admin/x")
    assert is_ambiguous(CONTRACT, b"http://host/admin/x")
    assert is_ambiguous(CONTRACT, b"")


# --- paths that two readers read differently -----------------------------------------------

ATTACKS = [
    b"/api/thoughts/../../admin/x",
    b"/api/thoughts/..%2f../admin",
    b"/api/thoughts/..%2f..%2fadmin/x",
    b"/api/thoughts/%2e%2e/%2E%2e/admin/x",
    b"/api/thoughts/.%2e/.%2E/admin/x",
    b"/api/thoughts/%252e%252e/%252e%252e/admin/x",
    b"/api/thoughts/..%252f..%252fadmin/x",
    b"/api/thoughts/..;/..;/admin/x",
    b"/api/thoughts/..;a=b/..;/admin/x",
    b"/api/thoughts/%2e%2e%3b/%2e%2e%3b/admin/x",
    b"/api/thoughts/..\\..\\admin/x",
    b"/api/thoughts/..%5c..%5Cadmin/x",
    b"/api/thoughts/..//..//admin/x",
    b"/api/thoughts//..//..//admin/x",
    b"//admin/x",
    b"///admin/x",
    b"//evil/admin/x",
    b"/./admin/x",
    b"/%2e/admin/x",
    b"/x/../admin/x",
    b"/x/../admin/",
    b"/admin%2fx",
    b"/admin%2Fx",
    b"/admin%252fx",
    b"/admin\\x",
    b"/admin%5cx",
    b"/admin;/x",
    b"/admin;a=b/x",
    b"/;a/admin/x",
    b"/ADMIN/x",
    b"/Admin/x",
    b"/%41dmin/x",
    b"/%61dmin/x",
    b"/%61%64%6d%69%6e/x",
    b"/%2561dmin/x",
    b"/admin/.",
    b"/admin/..",
    b"/admin/x/..",
    b"/admin/x/%2e%2e/y",
    b"/admin/%00",
    b"/healthz%00",
    b"/healthz%00/x",
    b"/healthz%23",
    b"/healthz%3fx",
    b"/healthz;x",
    b"/healthz/.",
    b"/healthz/%2e",
    b"/healthz/x/..",
    b"/HEALTHZ",
    b"/healthz#x",
    b"/internal%2f",
    b"//internal/x",
    b"/api//thoughts/7",
    b"/api/thoughts%2f7",
]


@pytest.mark.parametrize("path", ATTACKS)
def test_a_path_that_leads_elsewhere_for_another_reader_is_refused(path: bytes) -> None:
    assert is_ambiguous(CONTRACT, path)


@pytest.mark.parametrize(
    "path",
    [
        b"/api/thoughts/a%2fb",
        b"/api/thoughts/@scope%2fname",
        b"/api/thoughts//7",
        b"/api/thoughts/7;v=1",
        b"/api/thoughts/Bruce",
        b"/api/thoughts/%7euser",
        b"/api/thoughts/what%3F",
    ],
)
def test_a_path_that_falls_under_the_same_rule_for_every_reader_is_fine(path: bytes) -> None:
    assert index(CONTRACT, path) == 1


@pytest.mark.parametrize("path", [b"/wiki//x", b"/wiki/a%2fb", b"/X/Y"])
def test_an_odd_path_that_no_rule_is_about_falls_under_the_rule_for_all(path: bytes) -> None:
    assert index(CONTRACT, path) == 4
    assert index(Rules((rule("/admin/*"),)), path) is None


def test_a_dot_segment_under_a_rule_is_refused_wherever_it_leads() -> None:
    assert is_ambiguous(Rules((rule("/a/*", access="public"),)), b"/a/b/../c")


HOSTILE = [
    b"/reports%0a",
    b"/reports%09",
    b"/reports%00",
    b"/reports%2500",
    b"/reports%7f",
    b"/reports/..",
    b"/x%5c",
    b"/x/%2e%2e/y",
    b"/x%250d",
]


@pytest.mark.parametrize("path", HOSTILE)
@pytest.mark.parametrize("last", [(), (rule("/*", access="public"),), (rule("/*"),)])
def test_a_hostile_path_is_refused_whatever_rule_is_the_last(
    path: bytes, last: tuple[RuleSettings, ...]
) -> None:
    assert is_ambiguous(Rules((rule("/reports", role="admin"), *last)), path)


def test_where_no_rule_depends_on_the_path_a_hostile_one_is_nobodys_matter() -> None:
    assert all(index(Rules((rule("/*", access="public"),)), path) == 0 for path in HOSTILE)


# --- the last slash --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ((rule("/reports", role="admin"), rule("/*", access="public")), b"/reports/"),
        ((rule("/reports", role="admin"), rule("/*", access="public")), b"/reports%2f"),
        ((rule("/reports", role="admin"), rule("/*", role="user")), b"/reports/"),
        ((rule("/reports/", access="deny"),), b"/reports"),
        ((rule("/internal/*", access="deny"), rule("/*", access="public")), b"/internal"),
        ((rule("/users/*/secret", access="deny"), rule("/*")), b"/users/a/secret/"),
        ((rule("/a", access="optional"), rule("/*", access="public")), b"/a/"),
        ((rule("/admin/*", role="admin"),), b"/admin"),
        ((rule("/Reports"), rule("/*", access="public")), b"/reports/"),
    ],
)
def test_who_ignores_the_last_slash_gets_past_no_stricter_rule(
    rules: tuple[RuleSettings, ...], path: bytes
) -> None:
    assert is_ambiguous(Rules(rules), path)


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ((rule("/api/thoughts/*", access="public"),), b"/api/thoughts/", 0),
        ((rule("/api/thoughts/*", access="public"), rule("/*")), b"/api/thoughts/", 0),
        ((rule("/api/login", access="public"), rule("/api/*")), b"/api/login", 0),
        ((rule("/healthz", access="public"), rule("/*")), b"/healthz/", 1),
        ((rule("/a", role="x"), rule("/*", role="x")), b"/a/", 1),
        ((rule("/*", access="public"), rule("/x")), b"/", 0),
    ],
)
def test_a_last_slash_is_fine_where_the_other_form_needs_no_more(
    rules: tuple[RuleSettings, ...], path: bytes, expected: int
) -> None:
    assert index(Rules(rules), path) == expected


def test_a_path_with_more_readings_than_anyone_needs_is_refused() -> None:
    odd = b"/a;b" + b"/..;x%2f%252e%5c//%00" * 20
    assert is_ambiguous(CONTRACT, odd)
    assert is_ambiguous(CONTRACT, b"/wiki/" + b"%2f" * 4000)


# --- properties ----------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        b"/", b"//", b"admin", b"ADMIN", b"public", b"x", b".", b"..", b"%2e", b"%2E%2e", b"%2f",
        b"%2F", b"%252f", b"%5c", b"\\", b";", b";a=b", b"%3b", b"%00", b"%61dmin", b"%3f", b"#",
        b"%25", b"%", b"%c3%a9", b"%c0%af", b"\xff", b"*", b"~",
    ]
)  # fmt: skip
GUARDED = Rules((rule("/public/*", access="public"), rule("/admin/*", access="deny")))


def _read_like_a_server(path: bytes, habits: tuple[str, ...]) -> bytes:
    """A server of our own making, written apart from the code under test."""

    for habit in habits:
        if habit == "unescape":
            path = unquote_to_bytes(path)
        elif habit == "backslash":
            path = path.replace(b"\\", b"/")
        elif habit == "parameters":
            path = b"/".join(segment.partition(b";")[0] for segment in path.split(b"/"))
        elif habit == "normal":
            path = b"/" + normpath(path).lstrip(b"/") + (b"/" if path.endswith(b"/") else b"")
        elif habit == "lower":
            path = path.lower()
        elif habit == "end":
            path = path.partition(b"\0")[0].partition(b"#")[0]
    return path


HABITS = ("unescape", "backslash", "parameters", "normal", "lower", "end")
READERS = list(chain.from_iterable(combinations(HABITS, count) for count in range(5)))


@given(st.lists(_PIECES, max_size=8).map(b"".join))
def test_no_reader_of_a_public_path_ends_up_behind_the_guarded_one(path: bytes) -> None:
    path = b"/" + path
    try:
        found = GUARDED.match("GET", path)
    except AmbiguousPath:
        return
    if found.access is Access.DENY:
        return
    for habits in READERS:
        assert not _read_like_a_server(path, habits).startswith(b"/admin/"), habits


@given(st.lists(_PIECES, max_size=8).map(b"".join))
def test_a_decision_is_the_same_the_second_time(path: bytes) -> None:
    rules = Rules((rule("/public/*", access="public"), rule("/admin/*", access="deny")))
    first = is_ambiguous(rules, b"/" + path) or index(rules, b"/" + path)
    assert (is_ambiguous(rules, b"/" + path) or index(rules, b"/" + path)) == first


_SEGMENT = st.sampled_from(["a", "b", "c", "*"])
_PATTERNS = st.lists(_SEGMENT, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
_PATHS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=5)


def _fits(pattern: str, path: str) -> bool:
    """The meaning of a pattern, word by word."""
    wanted, held = pattern[1:].split("/"), path[1:].split("/")
    if wanted[-1] == "*":
        wanted = wanted[:-1]
        if len(held) <= len(wanted):
            return False
        held = held[: len(wanted)]
    return len(wanted) == len(held) and all(
        each in ("*", other) for each, other in zip(wanted, held, strict=True)
    )


@given(st.lists(_PATTERNS, max_size=6), _PATHS, st.booleans())
def test_many_patterns_at_once_mean_the_same_as_one_after_the_other(
    patterns: list[str], parts: list[str], has_slash: bool
) -> None:
    path = "/" + "/".join(parts) + ("/" if has_slash else "")
    rules = Rules(tuple(rule(pattern) for pattern in patterns))
    expected = next((i for i, pattern in enumerate(patterns) if _fits(pattern, path)), None)
    assert index(rules, path.encode()) == expected


# --- cost ----------------------------------------------------------------------------------


def test_what_is_remembered_of_paths_is_bounded() -> None:
    rules = Rules((rule("/admin/*"),))
    for number in range(20_000):
        rules.match("GET", b"/x/%d" % number)
    assert rules.remembered <= 2 * 4096
    for number in range(50):
        rules.match("GET", b"/" + b"x" * 5000 + b"%d" % number)
        rules.match("M" * 100 + str(number), b"/x")
    assert rules.remembered <= 2 * 4096


def test_a_remembered_path_costs_the_same_whatever_the_number_of_rules() -> None:
    rules = Rules(tuple(rule(f"/service-{number}/*/x") for number in range(500)))
    assert rules.match("GET", b"/service-499/a/x") is rules.match("GET", b"/service-499/a/x")
    assert index(rules, b"/service-499/a/x") == 499


# --- wrong rules ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    ["x", "", "/a*", "/a/*b/c", "/a//b", "//a", "/a/../b", "/a/.", "/%2e%2e/a", "/a\\b", "/%00"],
)
def test_a_pattern_that_could_not_mean_what_it_says_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"^auth\.rules\[1\]\.paths: "):
        Rules((rule("/ok"), rule(pattern)))


def test_every_wrong_rule_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Rules((rule("x", "/a*"), rule("/ok"), rule("/b", role=[])))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "auth.rules[0].paths", "auth.rules[0].paths", "auth.rules[2].claims.role",
    ]  # fmt: skip


# --- HEAD, and why -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "get", "head"])
def test_what_is_said_of_get_holds_for_head(method: str) -> None:
    for access in ("public", "deny", "token"):
        rules = Rules([RuleSettings(("/*",), methods=("GET",), access=access)])
        assert rules.match(method.upper(), b"/x").index == 0
    only_head = Rules([RuleSettings(("/*",), methods=("HEAD",), access="public")])
    assert only_head.match("GET", b"/x").index is None


def test_an_explanation_shows_every_reading_and_the_rule_of_each() -> None:
    rules = Rules([RuleSettings(("/admin/*",)), RuleSettings(("/healthz",), access="public")])
    told = rules.explain("GET", b"/admin//x")
    assert told.rule is not None
    assert {show(each.segments): each.rule.name for each in told.decisions} == {
        "/admin//x": "0",
        "/admin/x": "0",
    }
    told = rules.explain("GET", b"/a%2fb")
    assert [show(each.segments) for each in told.decisions] == ["/a%2Fb", "/a/b"]
    told = rules.explain("get", b"/Admin/x")
    assert told.rule is None
    assert {each.ignores_case: each.rule.name for each in told.decisions} == {
        False: "default",
        True: "0",
    }


@given(
    st.sampled_from(["GET", "HEAD", "get", "POST"]),
    st.lists(
        st.sampled_from(
            [b"/", b"admin", b"Admin", b"..", b".", b"%2e", b"%2f", b";x", b"x", b"%41"]
        ),
        max_size=7,
    ).map(b"".join),
)
def test_an_explanation_never_says_other_than_what_is_decided(method: str, path: bytes) -> None:
    rules = Rules(
        [
            RuleSettings(("/admin/*",), access="deny"),
            RuleSettings(("/x/*", "/x"), methods=("GET",), access="public"),
        ]
    )
    told = rules.explain(method, b"/" + path)
    try:
        decided: str | None = rules.match(method, b"/" + path).name
    except AmbiguousPath:
        decided = None
    assert (told.rule.name if told.rule is not None else None) == decided
    assert told.why
    if told.rule is not None:
        assert {each.rule.name for each in told.decisions} <= {decided}
