"""Flags and variables have the contract's names, and an unknown one is never passed over."""

import pytest

from sidecar.config.fields import fields_of
from sidecar.config.names import (
    CONFIG_VARIABLE,
    OUTSIDE_NAMES,
    flag_name,
    read_environment,
    read_flags,
    variable_name,
)
from sidecar.config.settings import Settings


def environment_problems(**environ: str) -> list[str]:
    problems: list[str] = []
    read_environment(environ, problems)
    return problems


def test_the_variables_are_those_that_users_rely_on() -> None:
    assert {CONFIG_VARIABLE, *map(variable_name, OUTSIDE_NAMES)} == {
        f"SIDECAR_{word}"
        for word in (
            "CONFIG SERVICE LISTEN UPSTREAM ADMIN KEYRING AUTH ISSUER AUDIENCE LEEWAY"
            " MAX_TOKEN_LIFETIME VERSION_PATHS DEPENDENCIES LOG_LEVEL LOG_FORMAT ACCESS_LOG DRAIN"
            " GRACE STATE_DIR"
        ).split()
    }
    assert flag_name("max_token_lifetime") == "--max-token-lifetime"


def test_every_outside_name_stands_for_a_setting() -> None:
    assert set(OUTSIDE_NAMES.values()) <= {field.path for field in fields_of(Settings)}


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert environment_problems(SIDECAR_UPSTREEM="x") == [
        "SIDECAR_UPSTREEM: unknown name; did you mean SIDECAR_UPSTREAM?"
    ]
    (problem,) = environment_problems(SIDECAR_ZZZ="x")
    assert problem.startswith("SIDECAR_ZZZ: unknown name; accepted are SIDECAR_CONFIG, ")


def test_dependencies_are_written_with_their_urls_and_requirements() -> None:
    problems: list[str] = []
    found = read_environment(
        {
            "SIDECAR_DEPENDENCIES": "users=http://users/version?a=b >=v2.3, <v3;"
            " thoughts = http://thoughts/version; "
        },
        problems,
    )
    assert found["dependencies"].plain() == {
        "users": {"url": "http://users/version?a=b", "requires": ">=v2.3, <v3"},
        "thoughts": {"url": "http://thoughts/version"},
    }
    assert problems == []


def test_a_dependency_that_is_written_twice_is_refused() -> None:
    assert environment_problems(SIDECAR_DEPENDENCIES="a=http://x/;a=http://y/") == [
        "dependencies.a: is written twice (environment SIDECAR_DEPENDENCIES)"
    ]


@pytest.mark.parametrize(
    ("text", "sign"),
    [("http://x/version>=v2,<v3", ">"), ("http://x/version<v3", "<"), ("http://x/!=v2.5", "!=")],
)
def test_a_requirement_that_sticks_to_the_url_is_not_taken_for_a_part_of_it(
    text: str, sign: str
) -> None:
    """It would ask for nothing, at a place that some servers answer at all the same."""
    assert environment_problems(SIDECAR_DEPENDENCIES=f"a={text}") == [
        f"dependencies.a: wants a space between the URL and {sign}"
        " (environment SIDECAR_DEPENDENCIES)"
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIDECAR_SERVICE_HOST", "10.0.0.1"),
        ("SIDECAR_SERVICE_PORT", "80"),
        ("SIDECAR_SERVICE_PORT_HTTP", "80"),
        ("SIDECAR_SERVICE_PORT_HTTP_ADMIN", "80"),
        ("SIDECAR_PORT", "tcp://10.0.0.1:80"),
        ("SIDECAR_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("SIDECAR_PORT_80_TCP_PROTO", "tcp"),
        ("SIDECAR_PORT_80_TCP_PORT", "80"),
        ("SIDECAR_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SIDECAR_PORT_53_UDP_ADDR", "10.0.0.1"),
        ("SIDECAR_DEMO_SERVICE_HOST", "10.0.0.1"),
        ("SIDECAR_DEMO_PORT", "tcp://10.0.0.1:80"),
    ],
)
def test_service_links_of_kubernetes_are_passed_over(variable: str, value: str) -> None:
    assert environment_problems(**{variable: value}) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIDECAR_PORT", "8080"),
        ("SIDECAR_ADMIN_PORT", "15020"),
        ("SIDECAR_PORT_80_HTTP", "x"),
        ("SIDECAR_SERVICE_NAME", "x"),
        ("SIDECAR_port", "tcp://10.0.0.1:80"),
        ("SIDECAR_", "x"),
    ],
)
def test_what_only_resembles_a_service_link_is_an_unknown_name(variable: str, value: str) -> None:
    (problem,) = environment_problems(**{variable: value})
    assert problem.startswith(f"{variable}: unknown name")


def test_variables_of_other_programs_are_not_looked_at() -> None:
    assert (
        environment_problems(PATH="/bin", VERSION_NAME="v1", MY_SIDECAR_X="1", SIDECARS="2") == []
    )


def test_an_empty_variable_is_refused_where_empty_says_nothing() -> None:
    assert environment_problems(SIDECAR_AUDIENCE="", SIDECAR_CONFIG="") == [
        "SIDECAR_AUDIENCE: is empty; unset it where it says nothing",
        "SIDECAR_CONFIG: is empty; unset it where it says nothing",
    ]
    problems: list[str] = []
    found = read_environment({"SIDECAR_VERSION_PATHS": ""}, problems)
    assert problems == []
    assert found["version.paths"].plain() == []


def test_a_list_in_a_variable_has_commas_and_knows_where_it_was_written() -> None:
    found = read_environment({"SIDECAR_LISTEN": "0.0.0.0:1, [::1]:2"}, [])
    assert found["listen"].plain() == ["0.0.0.0:1", "[::1]:2"]
    assert found["listen"].origin == "environment SIDECAR_LISTEN"


def test_flags_that_were_not_given_say_nothing() -> None:
    problems: list[str] = []
    found = read_flags(
        {"listen": (), "service": None, "drain": "5s", "keyring": ("/a,b",)}, problems
    )
    assert problems == []
    assert {path: written.plain() for path, written in found.items()} == {
        "shutdown.drain": "5s",
        "auth.keyring": ["/a,b"],
    }
    assert found["shutdown.drain"].origin == "flag --drain"


def test_an_unknown_flag_is_refused() -> None:
    problems: list[str] = []
    read_flags({"bogus_name": "x"}, problems)
    assert problems == ["--bogus-name: unknown flag"]
