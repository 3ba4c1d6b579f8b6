import pytest
from hypothesis import given

from sidecar.wire.head import RequestHead, ResponseHead, parse_request_head, parse_response_head
from sidecar.wire.headers import (
    HOP_BY_HOP,
    Filter,
    connection_named,
    forwarding_lines,
    is_upgrade,
    request_id_of,
    response_lines,
    wants_keep_alive,
    wants_trailers,
)
from tests.wire.grammar import fields, head_bytes, names, text_of


def request(*lines: str, version: str = "1.1") -> RequestHead:
    text = "\r\n".join([f"GET / HTTP/{version}", *lines, "", ""])
    return parse_request_head(text.encode("latin-1"), 100)


def response(*lines: str, status: int = 200, version: str = "1.1") -> ResponseHead:
    text = "\r\n".join([f"HTTP/{version} {status} Word", *lines, "", ""])
    return parse_response_head(text.encode("latin-1"))


def passing(head: RequestHead) -> list[tuple[bytes, bytes]]:
    all_of_it = Filter(lambda _: False)
    return [(name, value) for _, name, value, *_ in all_of_it.travelling(head)]


# --- what travels on ---


@given(fields)
def test_order_spelling_and_repetition_of_what_travels_are_kept(
    lines: list[tuple[bytes, bytes]],
) -> None:
    head = parse_request_head(head_bytes(b"GET / HTTP/1.1\r\n", lines), 100)
    assert passing(head) == [
        (name, value.strip(b" \t")) for name, value in lines if name.lower() not in HOP_BY_HOP
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "pRoXy-CoNnEcTiOn",
    ],
)
def test_a_hop_by_hop_field_ends_here(name: str) -> None:
    assert passing(request("A: 1", f"{name}: x", "B: 2")) == [(b"A", b"1"), (b"B", b"2")]


def test_what_connection_names_ends_here_in_every_spelling_and_line() -> None:
    head = request(
        "Connection: close, X-One", "X-ONE: 1", "connection:\tx-two ,,", "x-Two: 2", "Y: 3"
    )
    assert passing(head) == [(b"Y", b"3")]


@given(names, fields)
def test_what_is_not_named_is_not_dropped(name: bytes, lines: list[tuple[bytes, bytes]]) -> None:
    head = parse_request_head(
        head_bytes(b"GET / HTTP/1.1\r\n", [*lines, (b"Connection", name)]), 100
    )
    kept = {key for key, _ in passing(head)}
    for other, _ in lines:
        assert other in kept or other.lower() == name.lower() or other.lower() in HOP_BY_HOP


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "Content-Type",
        "Content-Encoding",
        "Authorization",
        "Cookie",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
    ],
)
def test_naming_a_field_of_the_message_itself_in_connection_does_not_drop_it(name: str) -> None:
    head = request(f"Connection: close, {name.upper()}", f"{name}: 1")
    assert passing(head) == [(name.encode(), b"1")]
    assert b"transfer-encoding" not in connection_named(request("Connection: transfer-encoding"))


def test_a_filter_asks_about_each_name_and_remembers_the_answer() -> None:
    asked: list[bytes] = []

    def is_ours(key: bytes) -> bool:
        asked.append(key)
        return key == b"ours"

    fields_filter = Filter(is_ours)
    for _ in range(3):
        assert len(fields_filter.travelling(request("Ours: 1", "A: 2"))) == 1
    assert asked == [b"ours", b"a"]


def test_a_client_that_invents_names_makes_the_filter_forget_not_grow() -> None:
    fields_filter = Filter(lambda key: key == b"ours")
    for number in range(5000):
        assert len(fields_filter.travelling(request(f"N{number}: 1", "Ours: 2"))) == 1
    assert len(fields_filter._verdicts) < 4000


def test_trailers_travel_when_announced_and_not_ours() -> None:
    fields_filter = Filter(lambda key: key == b"ours")
    head = request("Trailer: A, ours", "trailer: te")
    trailers = request("A: 1", "B: 2", "Ours: 3", "TE: trailers").fields
    travelling = fields_filter.travelling_trailers(head, trailers)
    assert [field[1] for field in travelling] == [b"A"]


# --- what is added ---


def lines_of(head: RequestHead, peer: bytes = b"10.0.0.1") -> list[bytes]:
    return forwarding_lines(head, peer, b"the-id").split(b"\r\n")[:-1]


def test_the_forwarding_fields_say_how_the_request_came() -> None:
    assert lines_of(request("Host: a.example:8080")) == [
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Request-ID: the-id",
        b"Via: 1.1 sidecar",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a.example:8080",
    ]


def test_what_earlier_proxies_wrote_stays_and_the_peer_comes_last() -> None:
    lines = lines_of(
        request(
            "Host: a",
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2",
            "x-forwarded-for: 3.3.3.3",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: public.example",
        )
    )
    assert lines == [
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1",
        b"X-Request-ID: the-id",
        b"Via: 1.1 sidecar",
    ]


@pytest.mark.parametrize(
    ("peer", "node"),
    [
        (b"10.0.0.1", b"for=10.0.0.1"),
        (b"2001:db8::7", b'for="[2001:db8::7]"'),
        (b"unix", b"for=unknown"),
    ],
)
def test_forwarded_is_continued_where_one_began_it(peer: bytes, node: bytes) -> None:
    began = request("Host: a", 'Forwarded: for=1.1.1.1;proto=https, for="_x"', "forwarded: for=b")
    line = b'Forwarded: for=1.1.1.1;proto=https, for="_x", for=b, ' + node
    assert lines_of(began, peer)[-1] == line
    assert not any(each.startswith(b"Forwarded") for each in lines_of(request("Host: a"), peer))


@pytest.mark.parametrize(
    ("earlier", "line"),
    [
        ('for=1.1.1.1;by="', b"for=10.0.0.1"),
        ('for="a\\"', b"for=10.0.0.1"),
        ("", b"for=10.0.0.1"),
        ('for="a\\"b, c"', b'for="a\\"b, c", for=10.0.0.1'),
    ],
)
def test_no_open_quote_swallows_our_word(earlier: str, line: bytes) -> None:
    assert lines_of(request("Host: a", f"Forwarded: {earlier}"))[-1] == b"Forwarded: " + line


def test_an_empty_chain_is_no_member_of_ours() -> None:
    assert lines_of(request("Host: a", "X-Forwarded-For:"))[0] == b"X-Forwarded-For: 10.0.0.1"
    assert lines_of(request("X-Forwarded-For: ", "X-Forwarded-For: 1.1.1.1"))[0] == (
        b"X-Forwarded-For: 1.1.1.1, 10.0.0.1"
    )


def test_via_names_the_version_that_the_client_spoke() -> None:
    assert b"Via: 1.0 sidecar" in lines_of(request("Host: a", version="1.0"))


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (("X-Request-ID: abc-123",), b"abc-123"),
        (("X-Request-ID: " + "x" * 128,), b"x" * 128),
        (("X-Request-ID: " + "x" * 129,), None),
        (("X-Request-ID: a b",), None),
        (("X-Request-ID: a\tb",), None),
        (("X-Request-ID: \xe4",), None),
        (("X-Request-ID:",), None),
        (("X-Request-ID: a", "x-request-id: b"), None),
        ((), None),
    ],
)
def test_a_request_id_is_kept_when_it_is_one_and_harmless(
    lines: tuple[str, ...], kept: bytes | None
) -> None:
    assert request_id_of(request(*lines)) == kept


# --- what the connection is asked to do ---


@pytest.mark.parametrize(
    ("version", "lines", "stays"),
    [
        ("1.1", (), True),
        ("1.1", ("Connection: keep-alive",), True),
        ("1.1", ("Connection: close",), False),
        ("1.1", ("Connection: Close",), False),
        ("1.1", ("Connection: keep-alive, close",), False),
        ("1.1", ("Connection: keep-alive", "Connection: close"), False),
        ("1.1", ("Connection: close", "Connection: keep-alive"), False),
        ("1.1", ("Connection: x, CLOSE ,y",), False),
        ("1.1", ("Connection: closed",), True),
        ("1.1", ("Connection:",), True),
        ("1.0", (), False),
        ("1.0", ("Connection: keep-alive",), True),
        ("1.0", ("Connection: Keep-Alive, x",), True),
        ("1.0", ("Connection: keep-alive, close",), False),
        ("1.0", ("Connection: keep-alive", "Connection: close"), False),
        ("1.0", ("Connection: x",), False),
    ],
)
def test_whether_the_connection_stays_follows_from_version_and_connection(
    version: str, lines: tuple[str, ...], stays: bool
) -> None:
    assert wants_keep_alive(request(*lines, version=version)) is stays
    assert wants_keep_alive(response(*lines, version=version)) is stays


@pytest.mark.parametrize(
    ("lines", "asks"),
    [
        (("Connection: upgrade", "Upgrade: websocket"), True),
        (("Connection: keep-alive, Upgrade", "Upgrade: websocket"), True),
        (("Connection: keep-alive", "connection: UPGRADE", "Upgrade: x/1"), True),
        (("Upgrade: websocket",), False),
        (("Connection: upgrade",), False),
        (("Connection: close", "Upgrade: websocket"), False),
    ],
)
def test_an_upgrade_is_asked_for_in_two_fields(lines: tuple[str, ...], asks: bool) -> None:
    assert is_upgrade(request(*lines)) is asks
    assert is_upgrade(request(*lines, version="1.0")) is False


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        (("TE: trailers",), True),
        (("TE: Trailers",), True),
        (("TE: gzip, trailers;q=0.5",), True),
        (("TE: gzip", "TE: trailers"), True),
        (("TE: xtrailers",), False),
        (("TE: gzip;trailers",), False),
        (("TE:",), False),
        ((), False),
    ],
)
def test_trailers_are_wanted_when_te_says_so(lines: tuple[str, ...], wants: bool) -> None:
    assert wants_trailers(request(*lines)) is wants


# --- answers ---


def test_an_answer_keeps_its_fields_but_for_those_of_the_connection() -> None:
    head = response(
        "Set-Cookie: a=1",
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum",
        "set-cookie: b=2",
        "Server: app",
    )
    assert response_lines(head, trailers=False) == (
        b"HTTP/1.1 200 Word\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nServer: app\r\n"
    )
    assert response_lines(head, trailers=True).endswith(b"Server: app\r\nTrailer: X-Sum\r\n")


@given(text_of(b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))), fields)
def test_an_answer_passed_on_reads_as_what_it_was(
    reason: bytes, lines: list[tuple[bytes, bytes]]
) -> None:
    head = parse_response_head(head_bytes(b"HTTP/1.1 200 " + reason + b"\r\n", lines))
    again = parse_response_head(response_lines(head, trailers=False) + b"\r\n")
    assert (again.status, again.reason) == (200, reason)
    assert [field[:3] for field in again.fields] == [
        field[:3] for field in head.fields if field[0] not in HOP_BY_HOP
    ]


def test_an_answer_that_demands_an_upgrade_says_to_what() -> None:
    head = response("Upgrade: websocket", "Connection: upgrade", status=426)
    lines = response_lines(head, trailers=False)
    assert b"Upgrade: websocket\r\n" in lines
    assert b"Upgrade" not in response_lines(response("Upgrade: h2c"), trailers=False)
