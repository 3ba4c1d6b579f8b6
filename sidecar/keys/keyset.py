"""What a remote source answers: a JWKS to keys, and a discovery document to where the JWKS is.

Everything in an answer is somebody else's word: what does not fit is refused, and never quoted.
Pure.

Called by ``remote``.
"""

from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar.errors import KeyFileError
from sidecar.setting import parse_web_url
from sidecar.tokens.parse import KeyProblem, KeyReading, read_keys
from sidecar.tokens.strictjson import parse_object

#: Where an issuer says where its keys are (OpenID Connect Discovery 1.0, section 4).
_DISCOVERY_PATH: Final = "/.well-known/openid-configuration"


def read_key_set(content: bytes, *, url: str, source: str) -> KeyReading:
    """The keys of a JWKS (RFC 7517, section 5), and what is wrong with the others.

    Raises :class:`KeyFileError` where nothing at all can be used. The id of a key that states none
    is the stem of the URL's last segment, as it would be the file's.
    """
    if "keys" not in _parse(content):
        raise KeyFileError('is JSON, but no JWKS: it has no "keys"')
    reading = read_keys(content, stem=_stem(url), source=source)
    if not reading.keys:
        raise KeySetUnusable(reading.problems)
    return reading


class KeySetUnusable(KeyFileError):
    """A set without a single usable key; ``problems`` says why."""

    def __init__(self, problems: tuple[KeyProblem, ...]) -> None:
        super().__init__(f"has no usable key: it {problems[0].text}")
        self.problems = problems


def discovery_url(issuer: str) -> str:
    """Where the issuer's discovery document is (section 4.1: a final slash is removed first)."""
    return issuer.removesuffix("/") + _DISCOVERY_PATH


def parse_discovery(content: bytes, issuer: str, *, insecure: bool) -> str:
    """The ``jwks_uri`` of a discovery document; raises :class:`KeyFileError`.

    The document's ``issuer`` must be the configured one, character by character (section 4.3), so
    that nobody can speak for another. The way to the keys must be as safe as that to the document.
    """
    document = _parse(content)
    if document.get("issuer") != issuer:
        raise KeyFileError("is the document of another issuer than the configured one")
    jwks_uri = document.get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise KeyFileError('names no "jwks_uri"')
    try:
        url = parse_web_url(jwks_uri)
    except ValueError:
        raise KeyFileError('has a "jwks_uri" that is no URL of http or https') from None
    is_allowed = insecure or (url.is_loopback and not parse_web_url(issuer).is_tls)
    if not url.is_tls and not is_allowed:
        raise KeyFileError('has a "jwks_uri" that is not https')
    return jwks_uri


def _parse(content: bytes) -> dict[str, Any]:
    start = content.lstrip()[:1]
    if start == b"<":
        raise KeyFileError("is HTML or XML, not JSON")
    if start != b"{":
        raise KeyFileError("is not a JSON object" if start else "is empty")
    try:
        return parse_object(content)
    except ValueError as error:
        raise KeyFileError(f"is not usable JSON: {error}") from None


def _stem(url: str) -> str:
    parts = urlsplit(url)
    return PurePosixPath(parts.path).stem or parts.hostname or "key"
