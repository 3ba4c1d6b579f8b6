"""Flag, environment, file, default: the strongest wins, and everything wrong is said at once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sidecar.config.fields import fields_of
from sidecar.config.load import Loaded, load_settings
from sidecar.config.settings import Settings
from sidecar.errors import ConfigError

EVERYTHING = """
service: thoughts-backend
listen: 0.0.0.0:15006
admin: 0.0.0.0:15020
upstream:
  url: http://127.0.0.1:8000
  connect_timeout: 2s
  response_timeout: 60s
  max_connections: 512
auth:
  mode: enforce
  keyring:
    - path: /etc/sidecar/keys
  newest: "2026-11"
  signing_since: {"2026-11": "2026-11-23T10:00:00Z"}
  switch: declare
  algorithms: [RS256]
  from:
    - {header: Authorization, scheme: Bearer}
    - {cookie: session, scheme: Bearer}
  issuer: users-backend
  audience: [thoughts]
  require: [exp, username]
  leeway: 30s
  max_lifetime: 48h
  forward:
    token: keep
    claims: {username: X-Auth-Username}
  rules:
    - {paths: [/healthz], access: public}
    - {paths: [/api/thoughts/*], methods: [GET], access: public}
    - {paths: [/admin/*], access: token, claims: {role: admin}}
    - {paths: [/internal/*], access: deny}
    - {paths: [/*], access: token}
version:
  paths: [/version]
limits: {header_bytes: 16KiB, headers: 100, body_bytes: 0, connections: 10000, in_flight: 0}
timeouts: {header: 10s, idle: 75s, body_idle: 60s}
shutdown: {drain: 5s, grace: 25s}
log: {level: info, format: json, access: errors}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sidecar.yaml"


def load(file: Path, text: str, **flags: object) -> Loaded:
    file.write_text(text, encoding="utf-8")
    return load_settings({"keyring": "/keys", **flags}, {}, file)


def problems(file: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    return [problem.replace(str(file), "x.yaml") for problem in caught.value.problems]


def test_the_documented_file_is_read_whole(file: Path) -> None:
    file.write_text(EVERYTHING)
    settings = load_settings({}, {}, file).settings
    assert settings.listen == ("0.0.0.0:15006",)
    assert settings.keyring[0].path == "/etc/sidecar/keys"
    assert settings.auth.signing_since == {"2026-11": 1795428000.0}
    assert settings.auth.max_lifetime_s == 172800.0
    assert settings.auth.places[1].cookie == "session"
    assert settings.auth.rules[2].claims == {"role": "admin"}
    assert settings.auth.rules[1].methods == ("GET",)
    assert settings.limits.header_bytes == 16384
    assert settings.upstream.response_timeout_s == 60.0


def test_without_any_source_there_are_the_defaults_but_keys_must_be_named() -> None:
    with pytest.raises(ConfigError, match="auth.keyring: is needed while auth.mode is enforce"):
        load_settings({}, {})
    loaded = load_settings({"auth": "off"}, {})
    assert loaded.settings.listen == Settings().listen
    assert loaded.origins["listen"] == "default"


def test_the_strongest_source_wins_and_each_origin_is_told(file: Path) -> None:
    file.write_text("log: {level: info}\nshutdown: {drain: 1s, grace: 1s}\nauth:\n  leeway: 1s\n")
    loaded = load_settings(
        {"drain": "3s", "keyring": ("/keys",)},
        {"SIDECAR_DRAIN": "2s", "SIDECAR_GRACE": "2s"},
        file,
    )
    assert loaded.settings.shutdown.drain_s == 3.0
    assert loaded.settings.shutdown.grace_s == 2.0
    assert loaded.settings.auth.leeway_s == 1.0
    assert loaded.origins["shutdown.drain"] == "flag --drain"
    assert loaded.origins["shutdown.grace"] == "environment SIDECAR_GRACE"
    assert loaded.origins["auth.leeway"] == f"file {file}:4"
    assert loaded.origins["timeouts.idle"] == "default"
    assert set(loaded.origins) == {field.path for field in fields_of(Settings)}


def test_a_mistake_is_reported_even_where_a_stronger_source_overrides_it(file: Path) -> None:
    file.write_text("shutdown: {drain: soon}")
    with pytest.raises(ConfigError, match=r"shutdown\.drain: 'soon' is not a duration"):
        load_settings({"drain": "3s", "keyring": "/keys"}, {}, file)


def test_the_file_may_be_named_by_the_environment(file: Path) -> None:
    file.write_text("service: a\nauth: {mode: off}\n")
    assert load_settings({}, {"SIDECAR_CONFIG": str(file)}).settings.service == "a"


def test_a_flag_for_the_file_wins_over_the_environment(file: Path, tmp_path: Path) -> None:
    file.write_text("service: a\nauth: {mode: off}\n")
    other = {"SIDECAR_CONFIG": str(tmp_path / "absent.yaml")}
    assert load_settings({}, other, file).settings.service == "a"


def test_mode_off_needs_no_quotes(file: Path) -> None:
    loaded = load(file, "auth: {mode: off}\nlog: {access: off}")
    assert loaded.settings.auth.mode == "off"
    assert loaded.settings.log.access == "off"


@pytest.mark.parametrize(
    "keyring",
    ["/a", "{path: /a}", "[/a]", "[{path: /a}]"],
)
def test_one_source_of_keys_may_be_written_short(file: Path, keyring: str) -> None:
    file.write_text(f"auth: {{keyring: {keyring}}}")
    assert [source.path for source in load_settings({}, {}, file).settings.keyring] == ["/a"]


def test_a_bare_text_with_a_scheme_is_the_url_of_a_source_of_keys() -> None:
    url = "https://issuer.example/jwks.json"
    for flags, environ in (({"keyring": ("/a", url)}, {}), ({}, {"SIDECAR_KEYRING": f"/a, {url}"})):
        keyring = load_settings(flags, environ).settings.keyring
        assert [(source.path, source.url) for source in keyring] == [("/a", None), (None, url)]


def test_a_heading_with_nothing_below_it_says_nothing(file: Path) -> None:
    assert load(file, "auth:\n  # mode: off\nlimits:\n").settings.limits == Settings().limits


def test_every_problem_is_reported_at_once_with_its_path_and_place(file: Path) -> None:
    text = """\
upstrem: 3
keyring: /k
state_dir: null
listen: []
upstream: {url: "https://app", max_connections: true}
auth:
  keyring: [{url: ftp://x}, {path: 5}, {refresh: 1m}]
  from: [{header: a, cookie: b}, {scheme: x}, {header: null}]
  rules:
    - {paths: [/a], access: maybe}
    - {access: public}
    - /a
  signing_since: {"2026-11": yesterday}
limits: {headers: 1, in_flight: .nan}
timeouts: 5
"""
    assert problems(file, text) == [
        "upstrem: unknown name; did you mean upstream? (file x.yaml:1)",
        "keyring: unknown name; did you mean auth.keyring? (file x.yaml:2)",
        "timeouts: 5 is not a mapping of names (file x.yaml:15)",
        "listen: is empty; at least one is needed (file x.yaml:4)",
        "upstream.url: 'https://app' asks for TLS, which the way to the application does not speak;"
        " accepted is http://HOST:PORT, unix:/PATH or original-dst (file x.yaml:5)",
        "upstream.max_connections: true is not a whole number (file x.yaml:5)",
        "auth.signing_since.2026-11: 'yesterday' is not an RFC 3339 time such as"
        " 2026-11-23T10:00:00Z (file x.yaml:13)",
        "auth.from[0]: needs exactly one of header, cookie, query (file x.yaml:8)",
        "auth.from[1]: needs exactly one of header, cookie, query (file x.yaml:8)",
        "auth.from[2].header: null is not the name of a header field (RFC 9110 section 5.1)"
        " (file x.yaml:8)",
        "auth.rules[0].access: 'maybe' is not one of token, optional, public, deny"
        " (file x.yaml:10)",
        "auth.rules[1].paths: is missing (file x.yaml:11)",
        "auth.rules[2]: '/a' is not a mapping with paths, methods, access, claims (file x.yaml:12)",
        "auth.keyring[0].url: 'ftp://x' is not a URL of http or https; accepted is https://HOST/PATH"
        " (file x.yaml:7)",
        "auth.keyring[1].path: 5 is not text; put it in quotes if it is meant as text"
        " (file x.yaml:7)",
        "auth.keyring[2]: needs exactly one of path, url, issuer (file x.yaml:7)",
        "limits.headers: 1 is less than 8 (file x.yaml:14)",
        "limits.in_flight: nan is not a whole number (file x.yaml:14)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("auth.mode: off", "auth.mode: unknown name"),
        ("dependencies: [a]", "dependencies: a list is not a mapping"),
        ("dependencies: {a: {min: v2}}", "dependencies.a.url: is missing"),
        ("dependencies: {a: 'ftp://a/'}", "dependencies.a.url: 'ftp://a/' is not a URL"),
        ("dependencies: {a: {url: 'http://a', min: 2.3}}", "dependencies.a.min: 2.3 is not text"),
        ("dependencies: {a: {url: 'http://a', min: latest}}", "dependencies.a.min: 'latest': "),
        (
            "dependencies: {a: {url: 'http://a', min: v3, below: v2}}",
            "dependencies.a: no version can be >=v3,<v2",
        ),
        (
            "dependencies: {a: {url: 'http://a', requires: '>=v3,<v2'}}",
            "dependencies.a.requires: '>=v3,<v2': no version can be",
        ),
        (
            "dependencies: {a: {url: 'http://a', min: v2, requires: '<v3'}}",
            "dependencies.a.requires: says the same as min",
        ),
        ("dependencies: {a: {url: 'http://a', ca: /ca.pem}}", "dependencies.a.ca: means nothing"),
        ("dependencies: {a: {url: 'http://a', gate: maybe}}", "dependencies.a.gate: 'maybe'"),
        ("version: {from: app}", "version.verify: is needed where version.from is app"),
        ("state_dir: 5", "state_dir: 5 is not text"),
        ("auth: {issues: [{paths: [/l]}]}", "auth.issues[0]: needs exactly one of json, header,"),
        ("auth: {issues: [{json: t}]}", "auth.issues[0].paths: is missing"),
        ("auth: {issues: [{paths: [/l], json: a..b}]}", "auth.issues[0].json: 'a..b' is not"),
        ("- a", "the file: a list is not a mapping of names (file x.yaml:1)"),
        ("a: [1", "x.yaml:2:1: is not YAML: "),
        ("service: null", "service: null is not text"),
        ("service: 5", "service: 5 is not text; put it in quotes"),
        ("listen: null", "listen: null is not a list"),
        ("auth: {forward: {claims: [a]}}", "auth.forward.claims: a list is not a mapping"),
        ("auth: {forward: {claims: {'': X-A}}}", "auth.forward.claims['']: a name must be"),
        (
            "auth: {rules: [{paths: [/a], methodes: [GET]}]}",
            "auth.rules[0].methodes: unknown name;",
        ),
        ("auth: {mode: enforce, mode: off}", "auth.mode: is written twice"),
        ("limits: {connections: 0}", "limits.connections: 0 is less than 1"),
        ("limits: {header_bytes: 2MiB}", "limits.header_bytes: '2MiB' is more than 1MiB"),
    ],
)
def test_a_wrong_file_is_refused_in_words(file: Path, text: str, problem: str) -> None:
    assert problems(file, text)[0].startswith(problem)


def test_a_file_that_cannot_be_read_is_one_problem_beside_those_of_other_sources(
    file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"drain": "x"}, {"SIDECAR_ZZ": "1"}, file)
    first, second, third = caught.value.problems
    assert first == f"{file}: cannot be read: No such file or directory"
    assert second.startswith("SIDECAR_ZZ: unknown name")
    assert third.endswith("(flag --drain)")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings({}, {}, tmp_path)
    with pytest.raises(ConfigError, match="cannot be the path of a file"):
        load_settings({}, {}, Path("a\0b"))


def test_what_another_source_broke_is_not_reported_again_as_a_contradiction(file: Path) -> None:
    assert problems(file, "listen: nowhere\nadmin: 0.0.0.0:15006\n") == [
        "listen: 'nowhere' is not HOST:PORT, [HOST]:PORT or unix:/PATH; accepted is HOST:PORT,"
        " [HOST]:PORT or unix:/PATH (file x.yaml:1)"
    ]


def test_a_key_that_was_pasted_into_the_configuration_is_not_repeated(file: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n"
    with pytest.raises(ConfigError) as caught:
        load_settings({"keyring": key, "auth": key}, {"SIDECAR_AUDIENCE": key}, None)
    assert "MII" not in caught.value.detail
    assert "not shown" in caught.value.detail


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["path", "header", "paths", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    flags=st.dictionaries(
        st.sampled_from(["listen", "upstream", "keyring", "auth", "drain", "bogus"]), plain_values
    ),
    environ=st.dictionaries(
        st.sampled_from(["SIDECAR_LISTEN", "SIDECAR_GRACE", "SIDECAR_PORT", "SIDECAR_X", "PATH"]),
        st.text(max_size=20),
    ),
)
def test_whatever_flags_and_environment_say_is_loaded_or_refused(
    flags: dict[str, object], environ: dict[str, str]
) -> None:
    try:
        loaded = load_settings(flags, environ)
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)  # noqa: PT017
    else:
        assert isinstance(loaded.settings, Settings)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=100))
def test_whatever_a_file_holds_is_loaded_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        load_settings({"keyring": "/keys"}, {}, file)
    except ConfigError as error:
        assert error.problems  # noqa: PT017
