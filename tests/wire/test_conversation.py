"""Overhearing HTTP: what is passed on is what came, but for what is added to heads."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.conversation import (
    MAX_HEAD_BYTES,
    MAX_OUTSTANDING,
    Conversation,
    Protocol,
    may_begin_request,
)
from sidecar.wire.head import RequestHead, ResponseHead

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MARK = b"X-Mark: 1\r\n"


class Overheard:
    """A conversation that marks each request, and remembers the statuses of answers."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.conversation: Conversation[None] = Conversation(self._rewrite, self._answered)
        self.passed = b""

    def say(self, *pieces: bytes) -> "Overheard":
        for piece in pieces:
            self.passed += self.conversation.from_client(piece)
        return self

    def hear(self, *pieces: bytes) -> "Overheard":
        for piece in pieces:
            self.conversation.from_server(piece)
        return self

    @property
    def unmarked(self) -> bytes:
        return self.passed.replace(MARK, b"")

    @property
    def marks(self) -> int:
        return self.passed.count(MARK)

    def _rewrite(self, _: RequestHead, raw: bytes) -> tuple[bytes, None]:
        return raw[:-2] + MARK + b"\r\n", None

    def _answered(self, _: None, head: ResponseHead) -> None:
        self.statuses.append(head.status)


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


bodies = st.binary(max_size=80).map(
    lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
) | st.lists(st.binary(min_size=1, max_size=20), max_size=4).map(
    lambda chunks: (
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n\r\n"
    )
)
requests = st.builds(
    lambda method, rest: b"%b /x HTTP/1.1\r\nHost: a\r\n%b" % (method, rest),
    st.sampled_from([b"GET", b"POST", b"DELETE"]),
    bodies | st.just(b"\r\n"),
)
answers = st.builds(
    lambda interim, status, rest: interim + b"HTTP/1.1 %d Ok\r\n%b" % (status, rest),
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n"]),
    st.sampled_from([200, 404, 500]),
    bodies,
)
cuts = st.lists(st.integers(0, 1000), max_size=12)


@given(st.lists(st.tuples(requests, answers), min_size=1, max_size=5), cuts, cuts)
def test_every_head_is_marked_and_nothing_else_is_changed(
    exchanges: list[tuple[bytes, bytes]], request_cuts: list[int], answer_cuts: list[int]
) -> None:
    overheard = Overheard()
    said = b"".join(request for request, _ in exchanges)
    overheard.say(*pieces_of(said, request_cuts))
    overheard.hear(*pieces_of(b"".join(answer for _, answer in exchanges), answer_cuts))
    assert overheard.unmarked == said
    assert overheard.marks == len(exchanges)
    assert len(overheard.statuses) == len(exchanges)
    assert not overheard.conversation.is_holding
    assert overheard.conversation.protocol is Protocol.HTTP


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40) | requests | answers), max_size=12))
def test_whatever_is_said_passes_in_full_and_in_order(talk: list[tuple[bool, bytes]]) -> None:
    overheard, said = Overheard(), b""
    for is_client, data in talk:
        if is_client:
            overheard.say(data)
            said += data
        else:
            overheard.hear(data)
        assert said.startswith(overheard.unmarked)
    overheard.passed += overheard.conversation.release()
    assert overheard.unmarked == said
    assert not overheard.conversation.is_holding


@given(st.binary(min_size=1, max_size=60))
def test_what_is_held_back_could_still_become_a_request(data: bytes) -> None:
    overheard = Overheard().say(data)
    if overheard.conversation.is_holding:
        held = data[len(overheard.passed) :]
        assert may_begin_request(held)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET key\r\n",
        b"get / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.2\r\n",
        b"GET / HTTP/1.1\n",
        b"GET  / HTTP/1.1\r\n",
        b"A" * 30,
        b"*1\r\n",
        b"POST /a b HTTP/1.1\r\n",
    ],
)
def test_other_protocols_are_told_from_their_first_bytes(data: bytes) -> None:
    overheard = Overheard().say(data)
    assert overheard.passed == data
    assert overheard.conversation.protocol is Protocol.OPAQUE
    assert not may_begin_request(data)


@pytest.mark.parametrize("size", range(1, len(GET)))
def test_a_beginning_of_a_request_is_one(size: int) -> None:
    assert may_begin_request(GET[:size])
    assert Overheard().say(GET[:size]).conversation.is_holding


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    ],
)
def test_after_a_head_that_leaves_a_doubt_everything_passes_as_it_is(head: bytes) -> None:
    overheard = Overheard().say(head + GET, GET)
    assert overheard.passed == head + GET + GET


def test_chunks_out_of_grammar_end_the_listening() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    overheard = Overheard().say(post, b"zz\r\n", GET)
    assert overheard.unmarked == post + b"zz\r\n" + GET
    assert overheard.marks == 1


def test_a_server_that_speaks_unasked_ends_the_listening() -> None:
    overheard = Overheard().say(GET[:10]).hear(b"220 ready\r\n")
    assert overheard.conversation.has_given_up
    assert overheard.conversation.release() == GET[:10]
    assert overheard.say(GET).passed == GET


def test_after_another_protocol_was_granted_nothing_is_looked_at() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    overheard = Overheard().say(upgrade)
    overheard.hear(b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n" + OK)
    overheard.say(GET)
    assert overheard.marks == 1
    assert overheard.statuses == [101]


def test_after_another_protocol_was_not_granted_the_next_request_is_marked() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    overheard = Overheard().say(upgrade).hear(OK).say(GET)
    assert overheard.marks == 2


def test_while_another_protocol_may_be_granted_nothing_more_is_marked() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
    assert Overheard().say(upgrade + GET).marks == 1


EXPECT = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 27\r\n\r\n"


def test_a_body_that_was_asked_for_is_a_body() -> None:
    overheard = Overheard().say(EXPECT).hear(b"HTTP/1.1 100 Continue\r\n\r\n")
    overheard.say(GET).hear(OK).say(GET)
    assert (overheard.marks, overheard.statuses) == (2, [200])


def test_a_body_that_was_not_asked_for_may_be_the_next_request() -> None:
    overheard = Overheard().say(EXPECT).hear(OK).say(GET, GET)
    assert overheard.unmarked == EXPECT + GET + GET
    assert overheard.marks == 1


def test_an_answer_that_only_the_connections_end_ends_is_the_last() -> None:
    overheard = Overheard().say(GET).hear(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    overheard.say(GET)
    assert (overheard.marks, overheard.statuses) == (1, [200])


def test_an_answer_to_head_has_no_body() -> None:
    overheard = Overheard().say(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    overheard.hear(OK.removesuffix(b"ok")).say(GET).hear(OK)
    assert overheard.statuses == [200, 200]


def test_a_client_that_asks_and_never_hears_fills_nothing() -> None:
    overheard = Overheard().say(*[GET] * (MAX_OUTSTANDING + 10))
    assert overheard.marks == MAX_OUTSTANDING
    assert overheard.unmarked == GET * (MAX_OUTSTANDING + 10)


def test_many_requests_in_one_piece_are_read_one_by_one() -> None:
    assert Overheard().say(GET * 200).marks == 200
