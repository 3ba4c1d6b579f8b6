"""Takes a token in the JWS compact serialization apart (RFC 7515, section 7.1), strictly.

The result is unverified: nothing here has looked at a key. Keys that a header offers (``jwk``,
``jku``, ``x5c``, ``x5u``) are not even read (RFC 8725, section 3.10).

Called by ``verify``.
"""

from typing import NamedTuple

from sidecar.errors import TokenMalformed
from sidecar.tokens.base64url import decode_base64url
from sidecar.tokens.strictjson import parse_object


class UnverifiedHeader(NamedTuple):
    """What a token's header claims about the token's signature."""

    algorithm: str
    claimed_kid: str | None


class CompactToken(NamedTuple):
    """The parts of a token: as they were sent where they are signed, else decoded."""

    header_part: bytes
    signing_input: bytes
    unverified_payload: bytes
    signature: bytes


def parse_compact(token: bytes) -> CompactToken:
    """Raises :class:`TokenMalformed` unless it is exactly three parts of canonical base64url."""
    parts = token.split(b".")
    if len(parts) != 3:
        raise TokenMalformed("The token does not have three parts.")
    header_part, payload_part, signature_part = parts
    try:
        payload = decode_base64url(payload_part)
        signature = decode_base64url(signature_part)
    except ValueError:
        raise TokenMalformed("A part of the token is not base64url.") from None
    signing_input = token[: len(header_part) + 1 + len(payload_part)]
    return CompactToken(header_part, signing_input, payload, signature)


def parse_header(header_part: bytes) -> UnverifiedHeader:
    """Raises :class:`TokenMalformed` for a header that is not as RFC 7515, section 4, has it."""
    try:
        header = parse_object(decode_base64url(header_part))
    except ValueError:
        raise TokenMalformed("The token's header is not a JSON object.") from None
    algorithm, claimed_kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise TokenMalformed("The token's header has no alg that is a string.")
    for name in ("kid", "typ"):
        if name in header and not isinstance(header[name], str):
            raise TokenMalformed(f"The {name} of the token's header is not a string.")
    if "crit" in header:
        # RFC 7515, section 4.1.11: no extension is understood here, so none may be critical.
        raise TokenMalformed("The token's header demands an extension that is not understood.")
    if header.get("b64", True) is not True:
        raise TokenMalformed("The token's payload is not base64url (RFC 7797).")
    return UnverifiedHeader(algorithm, claimed_kid)
