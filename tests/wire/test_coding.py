"""Content codings are undone within bounds, or refused; whatever comes, nothing else is raised."""

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import AnswerEncoded, AnswerTooLarge, AnswerUnreadable
from sidecar.wire.coding import decode_content

LIMIT = 4096


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=LIMIT))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    for body, codings in (
        (data, []),
        (data, [b"identity"]),
        (gzip.compress(data), [b"gzip"]),
        (gzip.compress(data), [b"x-gzip"]),
        (zlib.compress(data), [b"deflate"]),
        (bare(data), [b"deflate"]),
        (gzip.compress(zlib.compress(data)), [b"deflate", b"gzip"]),
        (gzip.compress(data[:7]) + gzip.compress(data[7:]), [b"gzip"]),
    ):
        assert decode_content(body, codings, LIMIT + 100) == data


@given(st.binary(max_size=200), st.lists(st.sampled_from([b"gzip", b"deflate", b"br"]), max_size=3))
def test_any_bytes_are_decoded_or_refused(body: bytes, codings: list[bytes]) -> None:
    with suppress(AnswerUnreadable):
        decode_content(body, codings, LIMIT)


@given(st.binary(min_size=1, max_size=500), st.data())
def test_a_part_of_an_encoded_body_is_refused(data: bytes, draw: st.DataObject) -> None:
    whole = gzip.compress(data)
    cut = draw.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(AnswerEncoded):
        decode_content(whole[:cut], [b"gzip"], LIMIT)


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"compress", b"nonsense", b"*"])
def test_other_codings_are_refused(coding: bytes) -> None:
    with pytest.raises(AnswerEncoded):
        decode_content(b"{}", [coding], LIMIT)


@pytest.mark.parametrize("codings", [[], [b"gzip"], [b"deflate"], [b"gzip", b"gzip"]])
def test_no_more_than_the_limit_comes_out(codings: list[bytes]) -> None:
    body = b"0" * 50_000_000
    for coding in codings:
        body = gzip.compress(body) if coding == b"gzip" else zlib.compress(body)
    with pytest.raises(AnswerTooLarge):
        decode_content(body, codings, LIMIT)


def test_members_and_codings_without_end_are_refused() -> None:
    with pytest.raises(AnswerEncoded):
        decode_content(gzip.compress(b"") * 100, [b"gzip"], LIMIT)
    with pytest.raises(AnswerEncoded):
        decode_content(gzip.compress(gzip.compress(gzip.compress(b"x"))), [b"gzip"] * 3, LIMIT)
