"""Gets one document from another server over HTTP, and trusts that server with nothing.

Bounded in time as a whole, in size while it arrives, and in redirects, which are followed within
one origin only. No content encoding is asked for or accepted, so nothing can unpack to more than
came. Proxies of the environment, ``.netrc`` and cookies play no part. Authorities
that have changed count at once.

:func:`fetch` keeps no connection, for what is asked every few minutes; :class:`Fetcher` keeps some,
for many questions a minute. Passed by ``app.build`` to the rooms that need it.
"""

import asyncio
import os
import random
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from sidecar import __version__
from sidecar.errors import FetchError
from sidecar.net.aside import Aside
from sidecar.net.resolve import Resolver

DEADLINE_S: Final = 10.0
MAX_BYTES: Final = 1 << 20
MAX_REDIRECTS: Final = 3

# For how long a connection waits for its next question, and after how many, about, it is given up.
_KEEP_S: Final = 10.0
_MAX_USES: Final = 10

_SYSTEM_TRUST: Final = ssl.get_default_verify_paths().openssl_cafile
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_HEADERS: Final = {
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "identity",
    "User-Agent": f"sidecar/{__version__}",
}
# delta-seconds (RFC 9111, section 1.2.2), also in quotes, as section 5.2 bids us read it.
_MAX_AGE: Final = re.compile(r'max-age="?([0-9]{1,10})"?')


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``content`` is ``None`` where the document is still the one of the ``etag`` that
    was sent. ``fresh_s``: how long the server says that it need not be asked again; ``None`` where
    it says nothing, or that nothing may be stored."""

    content: bytes | None
    etag: str | None
    fresh_s: float | None


async def fetch(
    url: str,
    *,
    etag: str | None = None,
    ca: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    deadline_s: float = DEADLINE_S,
    max_bytes: int = MAX_BYTES,
) -> Fetched:
    """The document at ``url``, which begins with ``https://`` or ``http://``.

    ``etag``: what the server called the document that the caller has. ``ca``: a PEM file of the
    authorities to trust, in place of the system's. ``headers``: fields to send besides, and to this
    origin alone. Raises :class:`FetchError`.
    """
    if etag is not None:
        headers = {**headers, "If-None-Match": etag}
    async with _open_session(TCPConnector(force_close=True)) as session:
        way = _Way(session, Aside(), ca)
        return await _fetch(way, url, {**_HEADERS, **headers}, deadline_s, max_bytes)


class Fetcher:
    """As :func:`fetch`, for frequent questions: a new connection costs several times the rest.

    A connection is used for the next question if that comes soon, but not for long: behind one name
    there may be several replicas. Made inside the event loop; who made it closes it.
    """

    def __init__(self) -> None:
        self._session = _open_session(
            TCPConnector(limit=0, keepalive_timeout=_KEEP_S, resolver=Resolver())
        )
        self._aside = Aside()

    async def fetch(
        self,
        url: str,
        *,
        ca: str | None,
        headers: Mapping[str, str],
        deadline_s: float,
        max_bytes: int = MAX_BYTES,
    ) -> Fetched:
        """As the function does. Raises :class:`FetchError`."""
        headers = {**_HEADERS, **headers}
        if random.randrange(_MAX_USES) == 0:  # noqa: S311 - no secret hangs on it
            headers["Connection"] = "close"
        way = _Way(self._session, self._aside, ca)
        return await _fetch(way, url, headers, deadline_s, max_bytes)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


@dataclass(frozen=True, slots=True)
class _Way:
    """How a question travels. ``ca`` is read ``aside``: the file may be on a mount that hangs."""

    session: ClientSession
    aside: Aside
    ca: str | None


def _open_session(connector: TCPConnector) -> ClientSession:
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
    )


async def _fetch(
    way: _Way, url: str, headers: Mapping[str, str], deadline_s: float, max_bytes: int
) -> Fetched:
    try:
        async with asyncio.timeout(deadline_s):
            return await _follow(way, URL(url), headers, max_bytes)
    except TimeoutError:
        raise FetchError(f"did not answer in full within {deadline_s:g} s") from None
    except (ClientError, OSError, ValueError) as error:
        raise FetchError(_explain(error)) from None


async def _follow(way: _Way, place: URL, headers: Mapping[str, str], max_bytes: int) -> Fetched:
    trust = await way.aside.call(_trust, way.ca) if place.scheme == "https" else True
    for _ in range(MAX_REDIRECTS + 1):
        async with way.session.get(
            place, headers=headers, allow_redirects=False, ssl=trust
        ) as response:
            if response.status not in _REDIRECTS:
                return await _take(response, headers.get("If-None-Match"), max_bytes)
            place = _redirected(place, response)
    raise FetchError(f"redirects more than {MAX_REDIRECTS} times")


def _trust(ca: str | None) -> ssl.SSLContext:
    """Reads files, so it is called aside. What was read is kept until the file is another one: to
    read the authorities of a whole system takes longer than all the rest."""
    try:
        return _read_trust(ca, _identity(Path(ca or _SYSTEM_TRUST)))
    except (OSError, ValueError):  # an unreadable file; one without a certificate
        raise FetchError(
            f"was not asked: the file of its certificate authorities, {ca}, cannot be used"
        ) from None


def _identity(file: Path) -> tuple[int, ...]:
    """What is another one as soon as the file is; empty for a file that is not there."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _read_trust(ca: str | None, _file: tuple[int, ...]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


def _redirected(place: URL, response: ClientResponse) -> URL:
    """Where a redirect leads (RFC 9110, section 15.4)."""
    location = response.headers.get("Location")
    if location is None:
        raise FetchError(f"answered with status {response.status}, a redirect that leads nowhere")
    try:
        target = place.join(URL(location))
        is_same = target.scheme in {"http", "https"} and target.origin() == place.origin()
    except ValueError:
        raise FetchError("redirects to an address that cannot be used") from None
    if not is_same:
        raise FetchError("redirects to another server, and is not followed there")
    return target.with_user(None)


async def _take(response: ClientResponse, etag: str | None, max_bytes: int) -> Fetched:
    if response.status == 304 and etag is not None:
        return Fetched(None, etag, _fresh_s(response))
    if response.status != 200:
        raise FetchError(f"answered with status {response.status}", answered=response.status)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("answered in an encoding that was not asked for")
    content = bytearray()
    too_large = FetchError(f"answered with more than {max_bytes // 1024} KiB")
    if (response.content_length or 0) > max_bytes:
        raise too_large
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > max_bytes:
            raise too_large
    new_etag = response.headers.get("ETag")
    if "no-store" in _directives(response):
        new_etag = None
    return Fetched(bytes(content), new_etag, _fresh_s(response))


def _directives(response: ClientResponse) -> list[str]:
    fields = ",".join(response.headers.getall("Cache-Control", ()))
    return [directive.strip().lower() for directive in fields.split(",")]


def _fresh_s(response: ClientResponse) -> float | None:
    """The rest of the freshness lifetime (RFC 9111, section 4.2)."""
    directives = _directives(response)
    if "no-store" in directives:
        return None
    if "no-cache" in directives:
        return 0.0
    stated = [match for each in directives if (match := _MAX_AGE.fullmatch(each))]
    if not stated:
        return None
    age = response.headers.get("Age", "0")
    age_s = int(age) if re.fullmatch("[0-9]{1,10}", age) else 0
    return float(max(min(int(match[1]) for match in stated) - age_s, 0))


def _explain(error: Exception) -> str:
    """What went wrong, in words of the system and of TLS, never of the other side."""
    match error:
        case ClientConnectorCertificateError():
            certificate = error.certificate_error
            reason = getattr(certificate, "verify_message", "") or "it is not for this host"
            return f"has a certificate that is not trusted: {reason}"
        case ClientSSLError():
            return "cannot be reached: TLS failed"
        case ClientConnectorDNSError():
            return "cannot be reached: its host name is not known"
        case ClientConnectorError():
            return f"cannot be reached: {_reason(error.os_error)}"
        case ClientError() | ConnectionError():
            return "broke off or did not speak HTTP"
        case OSError():
            return f"cannot be reached: {_reason(error)}"
    return "cannot be asked: its address cannot be used"


def _reason(error: OSError) -> str:
    """In the system's words: those of the event loop name an address that the caller knows."""
    return os.strerror(error.errno) if error.errno else "the connection failed"
