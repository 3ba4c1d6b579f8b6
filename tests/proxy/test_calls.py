"""What is added to the application's calls, and under whose name they are counted."""

import re
from typing import Any

import pytest

from sidecar.dependencies.settings import DependencySettings
from sidecar.metrics.outbound import OutboundTraffic
from sidecar.proxy.calls import Calls
from sidecar.setting import Address
from sidecar.wire.head import parse_request_head

THERE = Address("10.9.9.9", 80)


def build(**more: Any) -> Calls:
    dependencies = {
        "users": DependencySettings(url="http://Users-Service/version"),
        "by-address": DependencySettings(url="http://10.9.9.9:5432/"),
        "six": DependencySettings(url="http://[fd00::9]:8080/"),
    }
    arguments = {"service": "thoughts", "version": lambda: "v2.4", "traceparent": "unsampled"}
    traffic = OutboundTraffic(list(dependencies), is_on=True)
    return Calls(**{**arguments, **more}, dependencies=dependencies, traffic=traffic)


def rewrite(calls: Calls, *lines: bytes) -> bytes:
    raw = b"".join(line + b"\r\n" for line in (b"GET /a HTTP/1.1", b"Host: a", *lines, b""))
    return calls.rewrite(THERE, parse_request_head(raw, 100), raw)[0]


def test_an_unknown_version_is_not_said() -> None:
    assert b"X-Client-Version" not in rewrite(build(version=lambda: "unknown"))


def test_names_that_could_break_a_field_cannot() -> None:
    head = rewrite(build(service="bad\r\nX-Evil: 1", version=lambda: "v1\n"))
    assert b"\r\nX-Evil" not in head
    parse_request_head(head, 100)


def test_each_trace_is_valid_and_another() -> None:
    calls = build()
    found = set()
    for _ in range(100):
        (line,) = re.findall(
            rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-00\r\n", rewrite(calls)
        )
        assert int(line[0], 16) > 0
        assert int(line[1], 16) > 0
        found.add(line)
    assert len(found) == 100


def test_of_the_applications_own_fields_only_its_name_is_replaced() -> None:
    head = rewrite(build(), b"X-CLIENT-service: web", b"X-Client-Version:v1", b"X-Client-Id: 7")
    assert head.count(b"lient-") == 3
    assert b"X-Client-Service: thoughts\r\nX-Client-Version: v2.4\r\n" in head
    assert b"X-Client-Id: 7\r\n" in head


def test_a_target_that_looks_like_a_field_stays() -> None:
    raw = b"GET x-client-service: HTTP/1.1\r\nX-Client-Service: a\r\n\r\n"
    raw = raw.replace(b"service: ", b"service:/ ", 1)
    head = parse_request_head(raw, 100)
    assert build().rewrite(THERE, head, raw)[0].startswith(b"GET x-client-service:/ HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("destination", "host", "name"),
    [
        (THERE, b"users-service", "users"),
        (THERE, b"USERS-service.:80", "users"),
        (Address("10.9.9.9", 8080), b"users-service", "other"),
        (THERE, b"users-service.evil.example", "other"),
        (Address("10.9.9.9", 5432), b"", "by-address"),
        (Address("10.9.9.9", 5432), b"whatever", "by-address"),
        (Address("fd00::9", 8080), b"[fd00::9]:8080", "six"),
        (Address("fd00::9", 8080), b"", "six"),
        (THERE, b"\xff\xfe", "other"),
    ],
)
def test_a_call_is_counted_under_the_dependency_at_its_destination(
    destination: Address, host: bytes, name: str
) -> None:
    assert build().dependency(destination, host) == name
