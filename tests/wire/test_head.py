import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import HeadersTooLarge, RequestError, UpstreamMalformed, VersionNotSupported
from sidecar.wire.head import (
    RequestHead,
    _known_heads,
    field_lines,
    is_hopeless,
    parse_request_head,
    parse_response_head,
    parse_trailer_section,
)
from tests.wire.grammar import (
    TARGET_BYTES,
    TOKEN_BYTES,
    VALUE_BYTES,
    fields,
    head_bytes,
    targets,
    text_of,
    tokens,
)

GOOD = b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n"

request_heads = st.builds(
    lambda method, target, lines: head_bytes(b"%b %b HTTP/1.1\r\n" % (method, target), lines),
    tokens,
    targets,
    fields,
)


def parse(data: bytes) -> RequestHead:
    return parse_request_head(data, 100)


@given(tokens, targets, fields)
def test_every_head_of_the_grammar_is_read_as_what_it_says(
    method: bytes, target: bytes, lines: list[tuple[bytes, bytes]]
) -> None:
    head = parse(head_bytes(b"%b %b HTTP/1.1\r\n" % (method, target), lines))
    assert head.method.encode() == method
    assert head.target == target
    assert head.minor == 1
    assert [field[:3] for field in head.fields] == [
        (name.lower(), name, value.strip(b" \t")) for name, value in lines
    ]


@given(request_heads)
def test_what_was_read_and_written_again_reads_the_same(data: bytes) -> None:
    head = parse(data)
    line = b"%b %b HTTP/1.1\r\n" % (head.method.encode(), head.target)
    canonical = line + field_lines(head.fields) + b"\r\n"
    again = parse(canonical)
    assert (again.method, again.target, again.fields) == (head.method, head.target, head.fields)
    assert line + field_lines(again.fields) + b"\r\n" == canonical


@given(request_heads)
def test_no_beginning_of_a_good_head_is_given_up_as_hopeless(data: bytes) -> None:
    assert not any(is_hopeless(data[:end]) for end in range(len(data) + 1))


@given(request_heads, st.binary(min_size=1, max_size=20))
def test_a_head_followed_by_anything_is_not_a_head(data: bytes, trailing: bytes) -> None:
    with pytest.raises(RequestError):
        parse(data + trailing)


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_a_head_cut_anywhere_is_refused(end: int) -> None:
    with pytest.raises(RequestError):
        parse(GOOD[:end])


def accepted(template: bytes, allowed: bytes) -> list[int]:
    """The bytes beside ``allowed`` that are accepted in place of ``@`` all the same."""
    passed = []
    for byte in set(range(256)) - set(allowed):
        with contextlib.suppress(RequestError):
            parse(template.replace(b"@", bytes((byte,))))
            passed.append(byte)
    return passed


@pytest.mark.parametrize("method", [b"@", b"@GET", b"G@ET", b"GET@"])
def test_a_byte_that_no_token_has_is_refused_in_the_method(method: bytes) -> None:
    assert accepted(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n", TOKEN_BYTES) == []


@pytest.mark.parametrize("target", [b"@", b"@/a", b"/@a", b"/a@"])
def test_a_byte_that_no_target_has_is_refused_in_the_target(target: bytes) -> None:
    # Bytes beyond ASCII have no place there either, but too many clients send them.
    let_through = TARGET_BYTES + bytes(range(0x80, 0x100))
    assert accepted(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n", let_through) == []


@pytest.mark.parametrize("name", [b"@Host", b"Ho@st", b"Host@", b"@"])
def test_a_byte_that_no_token_has_is_refused_in_a_field_name(name: bytes) -> None:
    # A colon ends the name, so what stands before it may be a name.
    allowed = TOKEN_BYTES if name[:1] == b"@" else TOKEN_BYTES + b":"
    assert accepted(b"GET / HTTP/1.1\r\n" + name + b": a\r\n\r\n", allowed) == []


@pytest.mark.parametrize("value", [b"@", b"@value", b"val@ue", b"value@"])
def test_a_control_byte_is_refused_in_a_field_value(value: bytes) -> None:
    assert accepted(b"GET / HTTP/1.1\r\nX: " + value + b"\r\n\r\n", VALUE_BYTES) == []


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\r\n",
        b"GET / \r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET /  HTTP/1.1\r\n",
        b" GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET\t/\tHTTP/1.1\r\n",
        b"GET / http/1.1\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / HTTP/11\r\n",
        b"GET / HTTP/1\r\n",
        b"GET / HTTP/+1.1\r\n",
        b"GET / HTTP 1.1\r\n",
        b"GET / HTTPS/1.1\r\n",
        b"GET / ICY/1.1\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET /#fragment HTTP/1.1\r\n",
        b"GET HTTP/1.1\r\n",
        b"/ HTTP/1.1\r\n",
        b"\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\r\n",
        b"GET / HTTP/1.1",
    ],
)
def test_a_request_line_out_of_grammar_is_refused(line: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        parse(line + b"Host: a\r\n\r\n")
    assert refusal.value.status == 400


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"1.9", b"2.0", b"3.0", b"9.9", b"0.0"])
def test_another_version_of_http_is_refused_as_that(version: bytes) -> None:
    with pytest.raises(VersionNotSupported):
        parse(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")


def test_the_preface_of_http_2_is_refused_as_another_version() -> None:
    with pytest.raises(VersionNotSupported):
        parse(b"PRI * HTTP/2.0\r\n\r\n")


@pytest.mark.parametrize(
    "section",
    [
        b"Host : a\r\n",
        b"Host\t: a\r\n",
        b" Host: a\r\n",
        b"Host: a\r\n folded\r\n",
        b"Host: a\r\n\tfolded\r\n",
        b" folded: first\r\nHost: a\r\n",
        b"Host\r\n",
        b": a\r\n",
        b"Ho st: a\r\n",
        b"Host: a\n",
        b"Host: a\r",
        b"Host: a\rX: b\r\n",
        b"Host: a\nX: b\r\n",
        b"Host: a\r\r\n",
        b"Host: a\n\n",
        b"Host: a\x00\r\n",
        b"\x00: a\r\n",
        b"X\x0b: a\r\n",
        b"H\xc3\xb6st: a\r\n",
        b"Host;: a\r\n",
        b'"Host": a\r\n',
        b"(comment): a\r\n",
    ],
)
def test_a_field_line_out_of_grammar_is_refused(section: bytes) -> None:
    with pytest.raises(RequestError):
        parse(b"GET / HTTP/1.1\r\n" + section + b"\r\n")
    with pytest.raises(UpstreamMalformed):
        parse_response_head(b"HTTP/1.1 200 OK\r\n" + section + b"\r\n")
    with pytest.raises(RequestError):
        parse_trailer_section(section + b"\r\n")


def test_as_many_fields_as_allowed_pass_and_one_more_does_not() -> None:
    def head_of(count: int) -> bytes:
        return b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * count + b"\r\n"

    assert len(parse_request_head(head_of(8), 8).fields) == 8
    with pytest.raises(HeadersTooLarge):
        parse_request_head(head_of(9), 8)


def test_no_refusal_repeats_what_was_sent() -> None:
    for data in (b"secret / HTTP/1.1\r\nse cret: secret\r\n\r\n", b"secret secret\r\n\r\n"):
        with pytest.raises(RequestError) as refusal:
            parse(data)
        assert "secret" not in refusal.value.detail


@pytest.mark.parametrize(
    "partial", [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\rX", b"G\x00", b"\x16\x03\x01\x02"]
)
def test_what_no_head_can_become_is_hopeless_before_it_ends(partial: bytes) -> None:
    assert is_hopeless(partial)


@given(request_heads, st.data())
def test_where_a_head_was_looked_at_before_makes_no_difference(
    data: bytes, draw: st.DataObject
) -> None:
    start = draw.draw(st.integers(0, len(data)))
    assert not is_hopeless(data, start)
    assert is_hopeless(data[:start] + b"\n" + data[start:]) or data[start - 1 : start] == b"\r"


@given(
    st.integers(100, 999),
    st.one_of(st.none(), text_of(VALUE_BYTES)),
    fields,
)
def test_every_response_head_of_the_grammar_is_read_as_what_it_says(
    status: int, reason: bytes | None, lines: list[tuple[bytes, bytes]]
) -> None:
    first = b"HTTP/1.1 %d" % status + (b"" if reason is None else b" " + reason) + b"\r\n"
    head = parse_response_head(head_bytes(first, lines))
    assert (head.status, head.reason) == (status, reason or b"")
    assert [field[:3] for field in head.fields] == [
        (name.lower(), name, value.strip(b" \t")) for name, value in lines
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 20 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 099 OK\r\n",
        b"HTTP/1.1 2xx OK\r\n",
        b"HTTP/1.1 +20 OK\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/1.1\t200 OK\r\n",
        b"HTTP/1.2 200 OK\r\n",
        b"HTTP/2 200\r\n",
        b"HTTP/2.0 200 OK\r\n",
        b"HTTP/0.9 200 OK\r\n",
        b"http/1.1 200 OK\r\n",
        b"ICY 200 OK\r\n",
        b"200 OK\r\n",
        b"\r\n",
        b"HTTP/1.1 200 O\x00K\r\n",
        b"HTTP/1.1 200 O\rK\r\n",
        b"HTTP/1.1 200 OK\n",
        b" HTTP/1.1 200 OK\r\n",
        b"<html>\r\n",
    ],
)
def test_a_status_line_out_of_grammar_is_refused(line: bytes) -> None:
    with pytest.raises(UpstreamMalformed):
        parse_response_head(line + b"Content-Length: 0\r\n\r\n")


def test_a_field_that_stands_there_twice_gives_both_values_in_order() -> None:
    head = parse(b"GET / HTTP/1.1\r\nA: 1\r\nB: x\r\na: 2\r\n\r\n")
    assert list(head.values(b"a")) == [b"1", b"2"]
    assert head.has_repeated(b"a")
    assert not head.has_repeated(b"b")
    assert list(head.values(b"c")) == []


def test_the_members_of_a_list_are_those_of_all_its_lines() -> None:
    head = parse(b"GET / HTTP/1.1\r\nConnection: Close, ,\tX\r\nconnection: y,\r\n\r\n")
    assert head.members(b"connection") == [b"close", b"x", b"y"]


@given(fields, tokens)
def test_a_head_without_a_field_has_it_nowhere_and_the_head_that_it_was_made_from_has_it_still(
    lines: list[tuple[bytes, bytes]], name: bytes
) -> None:
    head = parse_response_head(
        head_bytes(b"HTTP/1.1 200 OK\r\n", [*lines, (name, b"1"), (name, b"2")])
    )
    rest = head.without(name.lower())
    assert name.lower() not in rest.last
    assert all(key != name.lower() for key, *_ in rest.fields)
    assert head.last[name.lower()] == b"2"
    assert rest.without(name.lower()) is rest


def test_a_head_that_may_hold_a_secret_or_is_long_is_not_remembered() -> None:
    for raw in (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"a" * 1024),
    ):
        assert parse_response_head(raw) is not parse_response_head(bytes(memoryview(raw)))


def test_no_number_of_different_heads_fills_the_memory() -> None:
    for number in range(2000):
        parse_response_head(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % number)
    assert len(_known_heads) <= 256


def test_an_answer_with_a_token_in_a_field_of_its_own_is_not_remembered() -> None:
    token = b"eyJ" + b"x" * 150
    raw = b"HTTP/1.1 200 OK\r\nX-Token: %b\r\nContent-Length: 0\r\n\r\n" % token
    assert parse_response_head(raw).last[b"x-token"] == token
    assert not any(token in known for known in _known_heads)
