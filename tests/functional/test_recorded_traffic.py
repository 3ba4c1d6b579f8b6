"""Traffic recorded from the real services, sent again through a sidecar whose clock stands at the
time of the recording."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import Application, Request, Talk
from tests.functional.client import Response
from tests.functional.credentials import remember_token
from tests.functional.faked_clock import clock_at
from tests.functional.sidecar_process import SidecarProcess

pytestmark = pytest.mark.needs_tool("faketime")

DATA = Path(__file__).parents[1] / "data" / "thoughts"
TWO_DAYS_S = 2 * 86400

#: Answered by the sidecar itself, each with its reason.
REFUSED = {
    "my-thoughts-without-token": "missing",
    "my-thoughts-garbage-token": "malformed",
    "admin-delete-unauthenticated": "missing",
}
PLACES = [
    {"header": "Authorization", "scheme": "Bearer"},
    {"cookie": "session", "scheme": "Bearer"},
]
RULES: dict[str, list[dict[str, Any]]] = {
    "users-backend": [
        {"paths": ["/api/login/"], "methods": ["POST"], "access": "public"},
        {"paths": ["/admin/version/"], "access": "public"},
    ],
    "thoughts-backend": [
        {"paths": ["/admin/version", "/admin/version/"], "access": "public"},
        {"paths": ["/api/thoughts/*"], "methods": ["GET"], "access": "public"},
        {"paths": ["/swagger.json"], "access": "public"},
    ],
}


@dataclass(frozen=True)
class Recorded:
    """One exchange with a real service."""

    name: str
    service: str
    recorded_at: float
    request: bytes
    response: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def token(self) -> str | None:
        """The token in its Authorization field, if it has a real one."""
        for line in self.request.split(b"\r\n"):
            if line.startswith(b"Authorization: Bearer eyJ"):
                return remember_token(line.split()[-1].decode())
        return None

    def with_cookie(self) -> bytes:
        """The request with its token where the frontend has it: in a quoted cookie."""
        assert self.token is not None
        field = f"Authorization: Bearer {self.token}".encode()
        cookie = f'Cookie: theme=dark; session="Bearer {self.token}"; lang=en'.encode()
        assert field in self.request
        return self.request.replace(field, cookie)


def read_exchanges() -> list[Recorded]:
    lines = (DATA / "exchanges.jsonl").read_text().splitlines()
    return [
        Recorded(
            each["name"],
            each["service"],
            each["recorded_at"],
            base64.b64decode(each["request_b64"]),
            base64.b64decode(each["response_b64"]),
        )
        for each in map(json.loads, lines)
    ]


EXCHANGES = read_exchanges()
WITH_TOKEN = [each for each in EXCHANGES if each.token is not None]
ON_PUBLIC_RULES = [
    each
    for each in EXCHANGES
    if b"\r\nAuthorization: " not in each.request
    and b"\r\nCookie: " not in each.request
    and each.name not in REFUSED
]


class RecordedService(Application):
    """Answers what the real service answered to the same method, target and body."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: Recorded | None = None
        self.answer = self.answer_as_recorded

    def answer_as_recorded(self, talk: Talk, request: Request) -> None:
        body = talk.read_body(request)
        assert self.recorded is not None
        first_line, _, _ = self.recorded.request.partition(b"\r\n")
        assert first_line == b"%b %b HTTP/1.1" % (request.method, request.target)
        assert body == self.recorded.request.partition(b"\r\n\r\n")[2]
        talk.send(self.recorded.response)


Stand = dict[str, SidecarProcess]


@pytest.fixture(scope="module")
def service() -> Iterator[RecordedService]:
    service = RecordedService()
    yield service
    service.close()


@pytest.fixture
def stand_at(
    tmp_path: Path, service: RecordedService, tool_path: Callable[[str], Path]
) -> Iterator[Callable[[float], Stand]]:
    """Starts a sidecar for each service, for which it is the given moment."""
    started: list[SidecarProcess] = []

    def start(moment: float) -> Stand:
        environment = clock_at(moment, tool_path("faketime"))
        stand: Stand = {}
        for name, rules in RULES.items():
            configuration = {
                "service": name,
                "upstream": {"url": service.url},
                "auth": {
                    "keyring": [str(DATA / "public_key.pub")],
                    "from": PLACES,
                    "rules": rules,
                    "max_lifetime": "48h",
                    "require": ["exp", "iat", "username"],
                    "forward": {"claims": {"username": "X-Auth-Username"}},
                },
                "log": {"access": "all"},
                "shutdown": {"drain": "0"},
            }
            stand[name] = SidecarProcess(tmp_path, configuration, environment=environment)
            started.append(stand[name])
        for process in started:
            process.wait_until_ready()
        return stand

    yield start
    for process in started:
        process.stop()


def replay(stand: Stand, service: RecordedService, recorded: Recorded, raw: bytes) -> Response:
    service.forget()
    service.recorded = recorded
    service.answer = service.answer_as_recorded
    answer = stand[recorded.service].ask(raw)
    assert not service.failures, service.failures
    return answer


def without_hop_fields(raw: bytes) -> bytes:
    """An answer without ``Date`` and the fields that concern one connection only."""
    head, mark, body = raw.partition(b"\r\n\r\n")
    lines = [
        line
        for line in head.split(b"\r\n")
        if line.partition(b":")[0].lower() not in (b"date", b"connection", b"keep-alive")
    ]
    return b"\r\n".join(lines) + mark + body


def test_every_recorded_request_gets_the_recorded_answer_or_our_refusal(
    stand_at: Callable[[float], Stand], service: RecordedService
) -> None:
    stand = stand_at(EXCHANGES[0].recorded_at)
    counts = {"recorded": 0, "refused": 0}
    for recorded in EXCHANGES:
        answer = replay(stand, service, recorded, recorded.request)
        if recorded.name in REFUSED:
            counts["refused"] += 1
            assert (answer.status, answer.problem_reason) == (401, REFUSED[recorded.name])
            assert answer.value("WWW-Authenticate").startswith(b'Bearer realm="thoughts-backend"')
            assert service.requests == [], recorded
        else:
            counts["recorded"] += 1
            assert without_hop_fields(answer.raw) == without_hop_fields(recorded.response)
            assert len(service.requests) == 1, recorded

    assert counts == {"recorded": 14, "refused": 3}
    accepted = [
        process.metrics().nonzero("sidecar_tokens_accepted_total") for process in stand.values()
    ]
    assert accepted == [{}, {("new", "public_key"): 4}]


def test_the_token_may_come_in_the_frontends_quoted_cookie(
    stand_at: Callable[[float], Stand], service: RecordedService
) -> None:
    stand = stand_at(EXCHANGES[0].recorded_at)
    for recorded in WITH_TOKEN:
        answer = replay(stand, service, recorded, recorded.with_cookie())

        assert without_hop_fields(answer.raw) == without_hop_fields(recorded.response)
        assert service.last.value("X-Auth-Username") == b"bruce"
    assert len(WITH_TOKEN) == 3


def test_two_days_later_the_same_tokens_have_expired(
    stand_at: Callable[[float], Stand], service: RecordedService
) -> None:
    stand = stand_at(EXCHANGES[0].recorded_at + TWO_DAYS_S + 31)
    for recorded in WITH_TOKEN:
        for raw in (recorded.request, recorded.with_cookie()):
            answer = replay(stand, service, recorded, raw)

            assert (answer.status, answer.problem_reason) == (401, "expired")
            assert service.requests == []
    for recorded in ON_PUBLIC_RULES:
        answer = replay(stand, service, recorded, recorded.request)
        assert without_hop_fields(answer.raw) == without_hop_fields(recorded.response)


def test_a_moment_before_their_end_the_same_tokens_are_good(
    stand_at: Callable[[float], Stand], service: RecordedService
) -> None:
    stand = stand_at(EXCHANGES[0].recorded_at + TWO_DAYS_S - 60)
    for recorded in WITH_TOKEN:
        answer = replay(stand, service, recorded, recorded.request)
        assert without_hop_fields(answer.raw) == without_hop_fields(recorded.response)
