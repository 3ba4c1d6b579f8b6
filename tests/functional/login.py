"""A service that hands out tokens, in miniature: what it answers a login with is up to the test."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

from tests.functional.application import OK, Application, Request, Talk
from tests.functional.client import Response, request
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess

#: What the sidecar is told of it.
ISSUES: list[dict[str, Any]] = [
    {"paths": ["/api/login"], "methods": ["POST"], "json": "Authorization"},
    {"paths": ["/api/header"], "header": "X-Token"},
    {"paths": ["/api/cookie"], "cookie": "session"},
    {"paths": ["/api/deep/*"], "json": "data.tokens.0"},
]
#: Whoever logs in has no token yet; and no test waits for a scrape that does not come.
AUTH: dict[str, Any] = {
    "issues": ISSUES,
    "leeway": "0s",
    "rules": [{"paths": ["/api/*"], "access": "public"}],
}
AT_ONCE = {"drain": "0", "grace": "10s", "last_word": "0"}

Sign = Callable[[], str]

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


class Issuer:
    """Answers of an application that signs with ``signer`` at this moment."""

    def __init__(self, application: Application, signer: Signer) -> None:
        self.signer = signer
        self.claims: dict[str, Any] = {}
        self.handed_out: list[str] = []
        application.answer = self.answer

    def answer(self, talk: Talk, asked: Request) -> None:
        """The plain answer of each place; everything else is OK."""
        talk.read_body(asked)
        path = asked.target.partition(b"?")[0]
        if path == b"/api/login":
            talk.send(json_answer({"Authorization": f"Bearer {self.token()}"}))
        elif path == b"/api/header":
            talk.send(answer(b"", f"X-Token: Bearer {self.token()}"))
        elif path == b"/api/cookie":
            cookies = ("Set-Cookie: other=1", f"Set-Cookie: session={self.token()}; HttpOnly")
            talk.send(answer(b"", *cookies))
        elif path.startswith(b"/api/deep/"):
            talk.send(json_answer({"data": {"tokens": [self.token()]}}))
        else:
            talk.send(OK)

    def token(self) -> str:
        token = self.signer.token(**self.claims)
        self.handed_out.append(token)
        return token


def answer(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """A whole answer with a length."""
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def json_answer(document: object, *fields: str, coding: str = "identity") -> bytes:
    """A JSON answer, perhaps encoded."""
    body = CODINGS[coding](json.dumps(document).encode())
    encoded = () if coding == "identity" else (f"Content-Encoding: {coding}",)
    return answer(body, "Content-Type: application/json", *encoded, *fields)


def log_in(sidecar: SidecarProcess, path: str = "/api/login", *fields: str) -> Response:
    """One login."""
    return sidecar.ask(request(path, *fields, method="POST", body=b"{}"))


def issued(sidecar: SidecarProcess) -> dict[str, float]:
    """How many tokens of each key were handed out, those of which there was one."""
    found = sidecar.metrics().samples("sidecar_issued_tokens_total")
    return {labels["key"]: value for labels, value in found if value}


def unreadable(sidecar: SidecarProcess) -> dict[tuple[str, ...], float]:
    return sidecar.metrics().nonzero("sidecar_issued_unreadable_total")


def unwatched_until(sidecar: SidecarProcess) -> float:
    return sidecar.metrics().value("sidecar_issuing_unwatched_until_timestamp_seconds")
