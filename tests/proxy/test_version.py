"""The field that says the service's version on its answers."""

import pytest

from sidecar.proxy.version import VersionField
from sidecar.wire.head import ResponseHead, parse_response_head
from sidecar.wire.headers import response_lines

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OWN = b"HTTP/1.1 200 OK\r\nX-Service-Version: own\r\nContent-Length: 0\r\n\r\n"


def written(field: VersionField, raw: bytes) -> list[bytes]:
    head: ResponseHead = field.added(parse_response_head(raw))
    lines = response_lines(head, trailers=False).split(b"\r\n")
    return [line for line in lines if line.lower().startswith(b"x-service-version")]


@pytest.mark.parametrize("replaces", [True, False])
def test_it_is_added_where_the_application_has_none(replaces: bool) -> None:
    field = VersionField("v2.3", replaces=replaces)
    assert written(field, PLAIN) == [b"X-Service-Version: v2.3"]


def test_the_application_s_own_stays_or_is_replaced() -> None:
    assert written(VersionField("v2.3", replaces=False), OWN) == [b"X-Service-Version: own"]
    assert written(VersionField("v2.3", replaces=True), OWN) == [b"X-Service-Version: v2.3"]


@pytest.mark.parametrize("replaces", [True, False])
def test_an_unknown_version_is_not_said(replaces: bool) -> None:
    field = VersionField("unknown", replaces=replaces)
    assert written(field, PLAIN) == []
    assert written(field, OWN) == [b"X-Service-Version: own"]


def test_no_version_breaks_the_head() -> None:
    field = VersionField("v2.3-\N{SNOWMAN}", replaces=False)
    assert written(field, PLAIN) == [b"X-Service-Version: v2.3-\\u2603"]
