"""What services answer when they are asked for their version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import VersionError
from sidecar.versions.answer import Answer, parse_answer
from sidecar.versions.stamp import ServiceVersion

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"


@pytest.mark.parametrize(
    "document",
    [
        {"version": "v1.6", "commit": COMMIT},
        {"service": "thoughts", "version": "v1.6", "commit": COMMIT, "sidecar": "0.1.0"},
        {"source": "https://example.org/a", "version": " v1.6", "commit": COMMIT, "build": "b"},
        {"version": "v1.6", "commit": COMMIT, "verified": False, "stamp": {"version": "v1.5"}},
    ],
    ids=["reference system", "sidecar", "Dockerflow", "sidecar in doubt"],
)
def test_every_form_says_version_and_commit(document: object) -> None:
    answer = parse_answer(json.dumps(document).encode())
    assert answer.version == ServiceVersion("v1.6", COMMIT)
    assert answer.is_ready


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("thoughts", "thoughts"),
        (" thoughts\n", "thoughts"),
        ("unknown", ""),
        (None, ""),
        (5, ""),
        ("x" * 300, ""),
        ("a\x00b", ""),
    ],
)
def test_a_sidecar_says_the_name_of_its_service(service: object, name: str) -> None:
    content = json.dumps({"service": service, "version": "v1.6", "commit": COMMIT}).encode()
    assert parse_answer(content) == Answer(ServiceVersion("v1.6", COMMIT), service=name)


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ({"stamp": {"version": "v1.6"}, "application": {"version": "v1.5"}}, ("v1.5",)),
        ({"stamp": {"version": "v1.7"}, "application": {"version": "v1.6"}}, ("v1.7",)),
        ({"stamp": {"version": "v1.6"}, "application": {"version": "v1.6"}}, ()),
        ({}, ()),
        ({"stamp": ["v1.6"], "application": {"version": 5}}, ("unknown",)),
    ],
)
def test_a_service_in_doubt_says_what_else_it_may_be(
    words: dict[str, object], others: tuple[str, ...]
) -> None:
    """Where only the commits differ, the version is the same."""
    content = {"version": "v1.6", "verified": False, **words}
    assert parse_answer(json.dumps(content).encode()).others == others
    content = {"version": "v1.6", "verified": None, **words}
    assert parse_answer(json.dumps(content).encode()).others == ()


@pytest.mark.parametrize("version", [None, "", "BAD VERSION", "unknown", "v1\x00", "v" * 300])
def test_a_service_that_does_not_know_its_version_is_unknown(version: object) -> None:
    content = json.dumps({"version": version, "commit": 5}).encode()
    assert parse_answer(content).version == ServiceVersion("unknown", "unknown")


@pytest.mark.parametrize(
    ("ready", "is_ready"), [(False, False), (True, True), (None, True), (0, True)]
)
def test_a_service_may_say_that_it_is_not_ready(ready: object, is_ready: bool) -> None:
    content = json.dumps({"version": "v1.6", "ready": ready}).encode()
    assert parse_answer(content).is_ready is is_ready


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "answered with something that is not JSON"),
        (b"<!doctype html><title>Login</title>", "answered with something that is not JSON"),
        (b"\xff\xfe\x00", "answered with something that is not JSON"),
        (b"[" * 100_000, "answered with something that is not JSON"),
        (b"1" * 10_000, "answered with something that is not JSON"),
        (b'[{"version": "v1.6"}]', "answered with a list, not with a JSON object"),
        (b"null", "answered with null, not with a JSON object"),
        (b'"v1.6"', "answered with a text, not with a JSON object"),
        (b"true", "answered with true or false, not with a JSON object"),
        (b"1.6", "answered with a number, not with a JSON object"),
        (b'{"commit": "abc"}', "answered with an object that has no version"),
        (b'{"version": 1.6}', "answered with a version that is a number, not a text"),
        (b'{"version": {}}', "answered with a version that is an object, not a text"),
        (
            b'{"version": "v1.5", "version": "v1.6"}',
            "answered with an object that says version more than once",
        ),
        (
            b'{"version": "v1.6", "ready": false, "ready": true}',
            "answered with an object that says ready more than once",
        ),
    ],
)
def test_what_is_no_answer_says_what_it_is(content: bytes, why: str) -> None:
    with pytest.raises(VersionError) as refused:
        parse_answer(content)
    assert refused.value.detail == why


@given(
    st.binary()
    | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_answer_breaks_it(content: bytes) -> None:
    try:
        assert parse_answer(content).version
    except VersionError as refused:
        assert refused.detail.startswith("answered with")  # noqa: PT017 - either is right
