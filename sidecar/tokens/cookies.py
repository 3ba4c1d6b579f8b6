"""The cookie that carries a token, in every spelling in which any reader would find it.

RFC 6265 separates cookies by ``;`` alone, but readers differ: some end a value at a blank or a
comma, some decode the escapes in a name or take it out of quotes. Here a name stands wherever any
of them would see it; who wants one token asks for exactly one plain ``name=value`` between two
``;``. Names are compared with their case, as the RFC has it. It judges no value.

Called by ``extract`` and ``removal``; pure.
"""

import re
from collections.abc import Sequence
from typing import Final

from sidecar.errors import TokenDuplicate, TokenMalformed

_BLANKS: Final = b" \t"
# What ends a value for one reader or another: blanks, controls, commas, quotes, no ASCII.
_BOUNDARY: Final = rb'(?:^|[\x00-\x20",\\\x7f-\xff])(?:=|%[012][0-9A-Fa-f])*'
# What may stand between a name and its ``=``; an index in brackets is dropped by some.
_REST: Final = rb'(?:[\x00-\x20"\\\x7f-\xff]|%[012][0-9A-Fa-f])*(?:(?:\[|%5[Bb])[^=;]{0,64})?='


class CookieName:
    """Finds one cookie in ``Cookie`` fields."""

    __slots__ = ("_name", "_spellings")

    def __init__(self, name: str) -> None:
        self._name = name.encode("ascii")
        spelled = b"".join(_spellings_of(byte) for byte in self._name)
        self._spellings = re.compile(_BOUNDARY + spelled + _REST)

    def is_in(self, piece: bytes) -> bool:
        """Whether any reader finds the cookie in what stands between two ``;``."""
        return self._spellings.search(piece) is not None

    def only_value(self, fields: Sequence[bytes]) -> bytes | None:
        """The value of the one plain pair; ``None`` where no reader finds the cookie.

        Raises :class:`TokenDuplicate` where it is found twice, :class:`TokenMalformed` where it is
        found other than as a plain pair.
        """
        found: bytes | None = None
        for field in fields:
            for piece in field.split(b";"):
                count = len(self._spellings.findall(piece))
                if not count:
                    continue
                if count > 1 or found is not None:
                    raise TokenDuplicate("The cookie that carries the token is there twice.")
                key, _, value = piece.partition(b"=")
                if key.strip(_BLANKS) != self._name:
                    raise TokenMalformed("The token's cookie is not a plain pair of its own.")
                found = value.strip(_BLANKS)
        return found


def _spellings_of(byte: int) -> bytes:
    """A byte of a name as it is or escaped; some readers write ``_`` for a dot or a bracket."""
    bytes_meant = b"_.[ " if byte == ord("_") else bytes((byte,))
    plain = b"|".join(re.escape(bytes((each,))) for each in bytes_meant)
    escapes = b"|".join(b"%%(?i:%02x)" % each for each in bytes_meant)
    return b"(?:%b|%b)" % (plain, escapes)
