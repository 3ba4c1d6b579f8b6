"""Reads base64url as JOSE writes it (RFC 7515, section 2): unpadded and canonical.

Refuses padding, the other base64 alphabet, blanks, and trailing bits that are not zero, so that
one value has exactly one spelling: a token cannot be respelled into a second token that verifies.

Called by ``verify`` for the parts of a token.
"""

from binascii import a2b_base64

# The alphabet of RFC 4648, section 5, for a decoder that knows section 4's. What only section 4
# allows becomes a character that no alphabet has.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
# By the length modulo 4: the last characters whose unused low bits are zero.
_CANONICAL_ENDS = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}
_PADDING = {0: b"", 2: b"==", 3: b"="}


def decode_base64url(text: bytes) -> bytes:
    """The bytes that ``text`` spells; raises ``ValueError`` for any but the canonical spelling."""
    remainder = len(text) % 4
    if remainder:
        ends = _CANONICAL_ENDS.get(remainder)
        if ends is None or text[-1] not in ends:
            raise ValueError("not canonical base64url")
    return a2b_base64(text.translate(_TO_STANDARD) + _PADDING[remainder], strict_mode=True)
