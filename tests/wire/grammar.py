"""Hypothesis strategies for HTTP/1.1 messages, good ones and broken ones."""

from hypothesis import strategies as st

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TARGET_BYTES = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
VALUE_BYTES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

#: Fields whose values mean something to the framing or the connection.
SPECIAL = (
    b"host connection content-length transfer-encoding te trailer upgrade expect keep-alive "
    b"proxy-connection proxy-authorization proxy-authenticate"
).split()


def text_of(alphabet: bytes, *, min_size: int = 0, max_size: int = 20) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(list(alphabet)), min_size=min_size, max_size=max_size).map(
        bytes
    )


tokens = text_of(TOKEN_BYTES, min_size=1, max_size=12)
values = text_of(VALUE_BYTES)
targets = st.builds(bytes.__add__, st.just(b"/"), text_of(TARGET_BYTES, max_size=30))
names = tokens.filter(lambda name: name.lower() not in SPECIAL)
fields = st.lists(st.tuples(names, values), max_size=8)

methods = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND"]
)


def head_bytes(first_line: bytes, lines: list[tuple[bytes, bytes]]) -> bytes:
    """A head as a sender with its own taste in white space would write it."""
    return first_line + b"".join(b"%b:%b\r\n" % line for line in lines) + b"\r\n"


def chunked(pieces: list[bytes], trailers: bytes = b"") -> bytes:
    """A body in chunks."""
    whole = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return whole + b"0\r\n" + trailers + b"\r\n"
