"""Content codings undone (RFC 9110, section 8.4.1), for whoever has to look into a body.

Knows gzip and deflate, and no more than ``max_bytes`` of what comes out: a small body may stand for
an endless one. Refuses every other coding. What is passed on is never what comes out of here.

Called by ``proxy.issued``; pure.
"""

import zlib
from collections.abc import Sequence

from sidecar.errors import AnswerEncoded, AnswerTooLarge

# How zlib is told what to expect: gzip, the zlib format, and the bare stream that some servers send
# under the name of deflate.
_GZIP, _ZLIB, _BARE = 31, 15, -15

#: The codings that are known here, in lower case.
READABLE = frozenset((b"gzip", b"x-gzip", b"deflate", b"identity"))

# More codings one upon another, or more gzip members one after another, come from nobody who means
# well.
_MAX_CODINGS = 2
_MAX_MEMBERS = 16


def decode_content(body: bytes, codings: Sequence[bytes], max_bytes: int) -> bytes:
    """The body without its ``Content-Encoding``, whose members are ``codings`` in lower case.

    Raises :class:`AnswerEncoded` or :class:`AnswerTooLarge`.
    """
    applied = [coding for coding in codings if coding != b"identity"]
    if len(applied) > _MAX_CODINGS:
        raise AnswerEncoded
    for coding in reversed(applied):
        if coding in (b"gzip", b"x-gzip"):
            body = _inflate(body, _GZIP, _MAX_MEMBERS, max_bytes)
        elif coding == b"deflate":
            body = _inflate(body, _ZLIB if _is_zlib(body) else _BARE, 1, max_bytes)
        else:
            raise AnswerEncoded
    if len(body) > max_bytes:
        raise AnswerTooLarge
    return body


def _inflate(data: bytes, form: int, max_members: int, max_bytes: int) -> bytes:
    """Every member of the data, one after another (RFC 1952, section 2.2)."""
    whole = b""
    for _ in range(max_members):
        if not data:
            break
        inflater = zlib.decompressobj(form)
        try:
            whole += inflater.decompress(data, max_bytes + 1 - len(whole))
        except zlib.error:
            raise AnswerEncoded from None
        if len(whole) > max_bytes:
            raise AnswerTooLarge
        if not inflater.eof:
            raise AnswerEncoded
        data = inflater.unused_data
    if data:
        raise AnswerEncoded
    return whole


def _is_zlib(data: bytes) -> bool:
    """Whether it begins as RFC 1950, section 2.2, has it."""
    return len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
