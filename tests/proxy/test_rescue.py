"""One table from error to answer; h11 judges the answers."""

import json
from typing import Any

import h11
import pytest

from sidecar import errors
from sidecar.errors import ClientGone, SidecarError, TokenError
from sidecar.net.stream import Stream
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.rescue import InternalError, rescue
from sidecar.wire.head import parse_request_head


class FakeClient:
    """Keeps what is written, and whether it was cut."""

    peer = b"127.0.0.1"
    is_awaiting_upstream = False
    is_draining = False
    is_stalled = False

    def __init__(self) -> None:
        self.written = b""
        self.is_cut = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_cut = True


def exchange_of(method: str = "GET") -> tuple[Exchange, FakeClient]:
    client: Any = FakeClient()
    raw = f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    exchange = Exchange(client, raw, None, 0.0)
    exchange.head = parse_request_head(raw, 10)
    exchange.keep_alive = True
    exchange.request_id = b"the-id"
    return exchange, client


def read(raw: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(raw)
    head = reader.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(part := reader.next_event(), h11.Data):
        body += bytes(part.data)
    assert isinstance(part, h11.EndOfMessage)
    assert reader.trailing_data[0] == b""
    return head, body


def leaves(kind: type[SidecarError]) -> list[type[SidecarError]]:
    below = kind.__subclasses__()
    return [kind, *(leaf for one in below for leaf in leaves(one))]


ANSWERED = sorted(
    {kind for kind in leaves(SidecarError) if kind.__module__ == errors.__name__}
    - {ClientGone, errors.ConfigError, errors.AddressInUse, errors.KeyFileError},
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("kind", ANSWERED)
def test_every_error_has_an_answer_in_one_form(kind: type[SidecarError], method: str) -> None:
    exchange, client = exchange_of(method)
    rescue(exchange, kind(), "a-service")
    head, body = read(client.written, method)
    fields = {bytes(name): bytes(value) for name, value in head.headers}
    assert head.status_code == exchange.status == kind.status
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"server"] == b"sidecar"
    assert not client.is_cut
    assert (exchange.reason, (b"connection" in fields)) == (kind.reason, not exchange.keep_alive)
    if method == "HEAD":
        assert body == b""
        return
    document = json.loads(body)
    assert set(document) == {"type", "title", "status", "detail", "reason", "request_id"}
    assert document["status"] == kind.status
    assert document["reason"] == kind.reason
    assert document["request_id"] == "the-id"


@pytest.mark.parametrize("kind", leaves(TokenError))
def test_an_answer_about_a_token_says_what_rfc_6750_asks(kind: type[TokenError]) -> None:
    exchange, client = exchange_of()
    rescue(exchange, kind(), "a-service")
    head, _ = read(client.written)
    challenges = [bytes(value) for name, value in head.headers if name == b"www-authenticate"]
    if kind.status in (401, 403):
        assert challenges[0].startswith(b'Bearer realm="a-service"')
        assert (b"error=" in challenges[0]) is bool(kind.challenge)
    else:
        assert challenges == []
    assert exchange.keep_alive


def test_a_service_of_any_name_has_a_realm_in_grammar() -> None:
    exchange, client = exchange_of()
    rescue(exchange, errors.TokenMissing(), 'the "old" \\ service')
    assert rb'Bearer realm="the \"old\" \\ service"' in client.written


@pytest.mark.parametrize("kind", ANSWERED)
@pytest.mark.parametrize("status", [101, 200, 404])
def test_once_an_answer_has_begun_the_connection_can_only_be_cut(
    kind: type[SidecarError], status: int
) -> None:
    exchange, client = exchange_of()
    exchange.status = status
    rescue(exchange, kind(), "a-service")
    assert client.is_cut
    assert client.written == b""
    assert not exchange.keep_alive


def test_a_client_that_is_gone_gets_nothing() -> None:
    exchange, client = exchange_of()
    rescue(exchange, ClientGone(), "a-service")
    assert client.is_cut
    assert client.written == b""


def test_a_refusal_in_front_of_a_large_body_ends_the_connection() -> None:
    exchange, client = exchange_of()
    exchange.body, exchange.body_length = Stream(), 10_000_000
    rescue(exchange, errors.TokenMissing(), "a-service")
    head, _ = read(client.written)
    assert (b"connection", b"close") in head.headers
    assert not exchange.keep_alive


def test_a_fault_of_ours_tells_nothing_but_that() -> None:
    exchange, client = exchange_of()
    rescue(exchange, InternalError(), "a-service")
    _, body = read(client.written)
    assert json.loads(body)["detail"] == "The proxy failed"
