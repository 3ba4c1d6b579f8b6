"""Base64url in its one canonical spelling."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.base64url import decode_base64url


@given(st.binary())
def test_every_canonical_spelling_is_read(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=")
    assert decode_base64url(text) == data


@given(st.binary(max_size=12))
def test_whatever_is_accepted_is_the_one_spelling_of_its_value(text: bytes) -> None:
    try:
        data = decode_base64url(text)
    except ValueError:
        return
    assert base64.urlsafe_b64encode(data).rstrip(b"=") == text


@pytest.mark.parametrize(
    "text",
    [
        b"YQ==",
        b"YQ=",
        b"YR",
        b"YWJ",
        b"Y",
        b"+w",
        b"/w",
        b"YW Jj",
        b"YWJj\n",
        b"YW.Jj",
        b"\xff\xff",
    ],
)
def test_any_other_spelling_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_base64url(text)
