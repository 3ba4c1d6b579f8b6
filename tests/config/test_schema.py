"""The published schema describes the file that the loader reads."""

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from sidecar.config.fields import fields_of
from sidecar.config.read import read, sort_by_field
from sidecar.config.schema import build_schema
from sidecar.config.settings import Settings
from sidecar.config.written import write
from tests.config.documents import documents, right_documents

VALIDATOR = Draft202012Validator(build_schema())


def value_problems(document: Any) -> list[str]:
    """What the loader says of the values alone; laws between values are beyond a schema."""
    problems: list[str] = []
    found = sort_by_field(Settings, write(document, "test"), problems)
    for field in fields_of(Settings):
        if field.path in found:
            read(field.shape, found[field.path], field.path, problems)
    return problems


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(build_schema())


def test_every_setting_is_described_and_has_its_default_as_users_write_it() -> None:
    schema = build_schema()
    leeway = schema["properties"]["auth"]["properties"]["leeway"]
    assert leeway["default"] == "30s"
    assert leeway["description"] == "how far clocks may differ"
    assert schema["properties"]["limits"]["properties"]["header_bytes"]["default"] == "16KiB"


@given(right_documents)
def test_schema_and_loader_accept_a_right_document(document: dict[str, Any]) -> None:
    assert value_problems(document) == []
    VALIDATOR.validate(document)


@given(documents())
def test_schema_and_loader_agree_about_any_document(document: Any) -> None:
    problems = value_problems(document)
    if VALIDATOR.is_valid(document):
        # Bounds of values that are written as text are beyond a schema.
        assert [problem for problem in problems if " than " not in problem] == []
    else:
        assert problems


@pytest.mark.parametrize(
    "document",
    [
        {"bogus": 1},
        {"auth.mode": "off"},
        {"auth": {"mode": "maybe"}},
        {"auth": {"mode": False}},
        {"auth": {"from": [{"header": "a", "cookie": "b"}]}},
        {"auth": {"from": [{"header": None}]}},
        {"auth": {"from": []}},
        {"auth": {"keyring": [{}]}},
        {"auth": {"keyring": ["ftp://a.example/jwks"]}},
        {"auth": {"keyring": [{"url": "/keys"}]}},
        {"auth": {"keyring": [{"url": "https://user@a.example/"}]}},
        {"auth": {"keyring": [{"issuer": "https://a.example/?b=c"}]}},
        {"auth": {"keyring": [{"url": "https://a.example", "issuer": "https://a.example"}]}},
        {"auth": {"keyring": [{"url": None}]}},
        {"auth": {"keyring": [{"url": "https://a.example", "refresh": 5}]}},
        {"auth": {"keyring": [{"url": "https://a.example", "insecure": "yes"}]}},
        {"auth": {"rules": [{"access": "public"}]}},
        {"auth": {"rules": [{"paths": "/a", "bogus": 1}]}},
        {"auth": {"rules": [{"paths": "/a/../b"}]}},
        {"auth": {"signing_since": {"": "2026-11-23T10:00:00Z"}}},
        {"limits": {"headers": 1}},
        {"limits": {"headers": True}},
        {"limits": {"header_bytes": 2 << 20}},
        {"timeouts": {"idle": "75"}},
        {"timeouts": {"idle": False}},
        {"service": None},
        [],
    ],
)
def test_schema_and_loader_refuse_the_same_mistakes(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    assert value_problems(document)
