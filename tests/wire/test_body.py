import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import RequestError
from sidecar.wire.body import (
    ChunkedDecoder,
    CloseDecoder,
    Decoder,
    LengthDecoder,
    build_decoder,
    chunk,
    last_chunk,
)
from sidecar.wire.framing import CHUNKED, UNTIL_CLOSE
from sidecar.wire.head import parse_trailer_section
from tests.wire.grammar import chunked

bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
tails = st.binary(max_size=20)


def feed_all(decoder: Decoder, data: bytes, sizes: list[int]) -> bytes:
    """Feed pieces of these sizes, over and over; what comes after the end is added to ``rest``."""
    body, at, turn = b"", 0, 0
    while at < len(data) and decoder.rest is None:
        size = sizes[turn % len(sizes)]
        body += decoder.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    if decoder.rest is not None:
        decoder.rest += data[at:]
    return body


sizes_lists = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@given(bodies, tails, sizes_lists)
def test_a_chunked_body_reads_the_same_however_it_arrives(
    pieces: list[bytes], tail: bytes, sizes: list[int]
) -> None:
    data = chunked(pieces) + tail
    for how in (sizes, [1], [len(data)]):
        decoder = ChunkedDecoder()
        assert feed_all(decoder, data, how) == b"".join(pieces)
        assert decoder.rest == tail
        assert decoder.trailers == []
        assert decoder.end()


@given(st.binary(max_size=60), tails, sizes_lists)
def test_a_body_of_known_length_reads_the_same_however_it_arrives(
    body: bytes, tail: bytes, sizes: list[int]
) -> None:
    data = body + tail
    for how in (sizes, [1], [len(data) or 1]):
        decoder = LengthDecoder(len(body))
        assert feed_all(decoder, data, how) == body
        if data and body:
            assert decoder.rest == tail


@given(bodies, sizes_lists)
def test_chunks_of_ours_read_as_what_was_written(pieces: list[bytes], sizes: list[int]) -> None:
    decoder = ChunkedDecoder()
    data = b"".join(chunk(piece) for piece in pieces) + last_chunk()
    assert feed_all(decoder, data, sizes) == b"".join(pieces)
    assert decoder.rest == b""


@given(bodies.filter(bool))
def test_a_chunked_body_that_is_cut_anywhere_has_not_ended(pieces: list[bytes]) -> None:
    data = chunked(pieces)
    for end in range(len(data)):
        decoder = ChunkedDecoder()
        decoder.feed(data[:end])
        assert decoder.rest is None
        assert not decoder.end()


def test_a_body_of_known_length_that_is_cut_has_not_ended() -> None:
    decoder = LengthDecoder(3)
    decoder.feed(b"ab")
    assert decoder.rest is None
    assert not decoder.end()
    decoder.feed(b"c")
    assert decoder.end()


def test_a_body_until_close_ends_with_the_close() -> None:
    decoder = CloseDecoder()
    assert decoder.feed(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert decoder.rest is None
    assert decoder.end()
    assert decoder.rest == b""


@pytest.mark.parametrize(
    ("length", "kind"), [(0, LengthDecoder), (7, LengthDecoder), (CHUNKED, ChunkedDecoder)]
)
def test_each_length_has_its_decoder(length: int, kind: type) -> None:
    assert type(build_decoder(length)) is kind
    assert type(build_decoder(UNTIL_CLOSE)) is CloseDecoder


@pytest.mark.parametrize(
    "line",
    [
        b"3",
        b"03",
        b"000000000000003",
        b"3;a",
        b"3;a=b",
        b"3;a=b;c;d=e",
        b'3;a="b"',
        b'3;a=""',
        b'3;a="\\""',
        b'3;a=";=\t \\\\"',
        b"3 ;a",
        b"3\t; a = b ; c",
        b"3;!#$%&'*+-.^_`|~=x",
        b'3;a="\xe4"',
    ],
)
def test_a_chunk_size_line_of_the_grammar_is_read(line: bytes) -> None:
    for size in (1, 1000):
        decoder = ChunkedDecoder()
        assert feed_all(decoder, line + b"\r\nabc\r\n0\r\n\r\n", [size]) == b"abc"
        assert decoder.rest == b""


BAD_LINES = [
    b"",
    b" ",
    b" 3",
    b"3 ",
    b"3\t",
    b"+3",
    b"-3",
    b"-0",
    b"0x3",
    b"3h",
    b"g",
    b"3.0",
    b"3_0",
    b"\xb3",
    b"3,3",
    b"3 3",
    b"0000000000000003",
    b"fffffffffffffffff",
    b"8000000000000000",
    b"3;",
    b"3;;",
    b"3;a;",
    b"3;=b",
    b"3;a=",
    b"3;a==b",
    b"3;a b",
    b'3;a="',
    b'3;a="b"c',
    b'3;a="\\',
    b'3;a="b\x00"',
    b"3;a=\x00",
    b"3;a=b\x7f",
    b"3;a=(",
    b"3:a",
    b"3\x00",
    b"3;a\n",
    b"3;a\r",
    b"3\r",
    b"3\n",
    b"3\n;a",
    b'3;a="\n"',
    b'3;a="\r"',
    b"3;" + b"a" * 1100,
]


@pytest.mark.parametrize("line", BAD_LINES)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_chunk_size_line_out_of_grammar_is_refused(line: bytes, size: int) -> None:
    for before in (b"", b"1\r\nx\r\n"):
        decoder = ChunkedDecoder()
        with pytest.raises(RequestError):
            feed_all(decoder, before + line + b"\r\nabc\r\n0\r\n\r\n", [size])


@pytest.mark.parametrize(
    "data",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\rabc\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"3\r\nabc\r\n\r\n0\r\n\r\n",
        b"0\n\n",
        b"0\r\n\n",
        b"0\r\n\r\r",
        b"0\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_chunk_that_does_not_end_where_its_size_says_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(RequestError):
        feed_all(ChunkedDecoder(), data, [size])


def test_an_endless_chunk_size_line_is_refused_before_it_ends() -> None:
    with pytest.raises(RequestError):
        feed_all(ChunkedDecoder(), b"0" * 2000, [1])


def test_trailers_are_read_after_the_last_chunk() -> None:
    data = b"1\r\nx\r\n0\r\nA: 1\r\nb:2 \r\n\r\nrest"
    for size in (1, 100):
        decoder = ChunkedDecoder()
        feed_all(decoder, data, [size])
        assert [field[:3] for field in decoder.trailers] == [
            (b"a", b"A", b"1"),
            (b"b", b"b", b"2"),
        ]
        assert decoder.rest == b"rest"


@pytest.mark.parametrize(
    "trailers",
    [
        b"A : 1\r\n",
        b" A: 1\r\n",
        b"A: 1\r\n 2\r\n",
        b"A\r\n",
        b": 1\r\n",
        b"A: \x00\r\n",
        b"A: 1\n",
        b"A: 1\rB: 2\r\n",
        b"GET / HTTP/1.1\r\n",
        b"A: " + b"x" * 20_000 + b"\r\n",
        b"A: 1\r\n" * 1000,
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_trailer_section_out_of_grammar_or_bounds_is_refused(trailers: bytes, size: int) -> None:
    with pytest.raises(RequestError):
        feed_all(ChunkedDecoder(), b"0\r\n" + trailers + b"\r\n", [size])


def test_endless_trailers_are_refused_before_they_end() -> None:
    with pytest.raises(RequestError):
        feed_all(ChunkedDecoder(), b"0\r\n" + b"A" * 40_000, [1])


@pytest.mark.parametrize(
    "name",
    [
        "Transfer-Encoding",
        "Content-Length",
        "Host",
        "Trailer",
        "TE",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Expect",
        "Authorization",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Cookie",
        "Set-Cookie",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Cache-Control",
        "Max-Forwards",
        "Range",
        "If-Match",
        "If-None-Match",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Request-ID",
        "Via",
        "cOnTeNt-LeNgTh",
    ],
)
def test_a_field_that_changes_the_message_is_no_trailer(name: str) -> None:
    fields = parse_trailer_section(f"A: 1\r\n{name}: 2\r\nB: 3\r\n\r\n".encode())
    assert last_chunk(fields) == b"0\r\nA: 1\r\nB: 3\r\n\r\n"
    assert last_chunk(fields[1:2]) == b"0\r\n\r\n"


@given(st.binary(max_size=80), sizes_lists)
def test_garbage_either_is_a_chunked_body_or_is_refused_but_never_crashes(
    data: bytes, sizes: list[int]
) -> None:
    def outcome(how: list[int]) -> tuple[bytes, bytes | None] | None:
        decoder = ChunkedDecoder()
        try:
            return feed_all(decoder, data, how), decoder.rest
        except RequestError:
            return None

    whole = outcome([len(data) or 1])
    if whole is not None and whole[1] is not None:
        assert outcome(sizes) == whole
        assert outcome([1]) == whole


def test_many_small_chunks_in_one_piece_cost_time_in_proportion() -> None:
    def best_time_s(count: int) -> float:
        data = b"1\r\nx\r\n" * count
        times = []
        for _ in range(5):
            decoder = ChunkedDecoder()
            begin = time.thread_time()
            decoder.feed(data)
            times.append(time.thread_time() - begin)
        return min(times)

    # Sixteen times as much; where every chunk copies what follows it, some hundred times as long.
    assert best_time_s(48_000) < 48 * best_time_s(3_000)


def test_a_chunk_size_line_that_invites_backtracking_costs_little() -> None:
    hostile = [
        b"1" + b" \t" * 500,
        b"1;a" + b" " * 900,
        b"1" + b";a=b" * 250,
        b'1;a="' + b"\\" * 900,
    ]
    begin = time.thread_time()
    for line in hostile:
        with pytest.raises(RequestError):
            ChunkedDecoder().feed(line + b"(\r\nx")
    assert time.thread_time() - begin < 0.5
