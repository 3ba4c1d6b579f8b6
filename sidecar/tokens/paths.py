"""The ways in which sensible servers read a request's path.

Access rules are written for the path that the application will see, but applications and the
frameworks in them disagree about what a path says: whether ``%2f`` is a slash, ``//`` one slash,
``;x`` part of a segment, and where ``..`` leads. ``readings`` finds every reading, so that
``permit`` can refuse a path whose readings lead to different rules. It normalises nothing that is
forwarded.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

#: A path as its segments, decoded; a slash inside of a segment is written ``ENCODED_SLASH``.
Segments = tuple[bytes, ...]

# A byte that no UTF-8 text has, for a slash that was sent as %2F and so may be one or not.
ENCODED_SLASH: Final = b"\xff"
# More readings than this come only from paths that were made to have them.
_MAX_READINGS: Final = 48
_MAX_ODD_PATH_BYTES: Final = 2048

# pchar of RFC 3986, section 3.3, without ";" and escapes. Empty segments are excluded, dot
# segments are found by ``_has_dot_segment``.
_PLAIN: Final = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,=:@-]+/)*[A-Za-z0-9._~!$&'()*+,=:@-]*")
_DOT_SEGMENT: Final = re.compile(rb"/\.{1,2}(?:/|\Z)")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPED_UNRESERVED: Final = re.compile(
    rb"%(?:4[1-9A-Fa-f]|[57][0-9Aa]|6[1-9A-Fa-f]|3[0-9]|2[DdEe]|5[Ff]|7[Ee])"
)
_PARAMETERS: Final = re.compile(rb";[^/]*")
_SLASHES: Final = re.compile(rb"/{2,}")
_AUTHORITY: Final = re.compile(rb"//+[^/]*")
_END: Final = re.compile(rb"[\0?#].*", re.DOTALL)
_CONTROL: Final = re.compile(rb"[\0-\x1f\x7f\\]")


class Readings(NamedTuple):
    """``is_hostile``: no client that means well sends such a path, since dot segments, backslashes
    and control characters are taken out of a URL before it is sent."""

    readings: tuple[Segments, ...]
    is_hostile: bool = False


class UnreadablePath(Exception):
    """A path with so many readings that nobody means well by it."""


def split(text: bytes) -> Segments:
    """The segments of a decoded path that begins with a slash: ``/a/`` is ``a`` and nothing."""
    return tuple(text[1:].split(b"/"))


def show(segments: Segments) -> str:
    """A reading for people, with the slashes that are part of a segment as escapes."""
    return b"".join(b"/" + each.replace(ENCODED_SLASH, b"%2F") for each in segments).decode(
        "latin-1"
    )


def decode(path: bytes) -> bytes:
    """The path with its escapes decoded, slashes that were escaped kept apart."""
    return _ESCAPE.sub(_decode_escape, path)


def readings(path: bytes) -> Readings:
    """Every way in which the path, without its query, may be read; the plainest comes first.

    Raises :class:`UnreadablePath`.
    """
    if _PLAIN.fullmatch(path) and not _DOT_SEGMENT.search(path):
        return Readings((split(path),))
    if len(path) > _MAX_ODD_PATH_BYTES:
        raise UnreadablePath
    texts = _closure((decode(path), _decode_reserved(path)))
    is_hostile = any(_DOT_SEGMENT.search(text) or _CONTROL.search(text) for text in texts)
    return Readings(tuple(dict.fromkeys(split(text) for text in texts)), is_hostile)


def _closure(texts: Iterable[bytes]) -> list[bytes]:
    """The texts, and all that any reader's habits, in any order, make of them."""
    found = dict.fromkeys(texts)
    pending = list(found)
    while pending:
        text = pending.pop()
        for habit in _HABITS:
            other = habit(text)
            if not other.startswith(b"/"):
                other = b"/" + other
            if other not in found:
                found[other] = None
                pending.append(other)
        if len(found) > _MAX_READINGS:
            raise UnreadablePath
    return list(found)


# --- habits --------------------------------------------------------------------------------


def _decode_escape(match: re.Match[bytes]) -> bytes:
    byte = bytes((int(match[1], 16),))
    return ENCODED_SLASH if byte == b"/" else byte


def _decode_reserved(path: bytes) -> bytes:
    """As a reader does that routes by the path as it came: only what must be escaped is decoded."""
    parts = _ESCAPED_UNRESERVED.split(path)
    kept = _ESCAPED_UNRESERVED.findall(path)
    decoded = [decode(part) for part in parts]
    return decoded[0] + b"".join(
        escape + part for escape, part in zip(kept, decoded[1:], strict=True)
    )


def _decode_slashes(text: bytes) -> bytes:
    return text.replace(ENCODED_SLASH, b"/")


def _turn_backslashes(text: bytes) -> bytes:
    return text.replace(b"\\", b"/")


def _drop_parameters(text: bytes) -> bytes:
    return _PARAMETERS.sub(b"", text)


def _stop_at_end(text: bytes) -> bytes:
    return _END.sub(b"", text)


def _merge_slashes(text: bytes) -> bytes:
    return _SLASHES.sub(b"/", text)


def _drop_authority(text: bytes) -> bytes:
    return _AUTHORITY.sub(b"", text, count=1) if text.startswith(b"//") else text


def _resolve_dots(text: bytes) -> bytes:
    """RFC 3986, section 5.2.4: ``/a/..`` is ``/``, ``/a/.`` is ``/a/``."""
    if not _DOT_SEGMENT.search(text):
        return text
    resolved: list[bytes] = []
    segments = split(text)
    for segment in segments:
        if segment == b"..":
            del resolved[-1:]
        elif segment != b".":
            resolved.append(segment)
    if segments[-1] in (b".", b".."):
        resolved.append(b"")
    return b"/" + b"/".join(resolved)


def _resolve_dots_like_a_file(text: bytes) -> bytes:
    """As file systems do: ``/a/.`` is ``/a``."""
    return (_resolve_dots(text).rstrip(b"/") or b"/") if _DOT_SEGMENT.search(text) else text


_HABITS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    decode,
    _decode_slashes,
    _turn_backslashes,
    _drop_parameters,
    _stop_at_end,
    _merge_slashes,
    _drop_authority,
    _resolve_dots,
    _resolve_dots_like_a_file,
)
