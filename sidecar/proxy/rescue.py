"""From an error to the answer that the client gets: one table, one form (RFC 9457).

Every answer that the proxy gives itself is made here or in ``proxy.answers``. Once a byte of an
answer has gone out there is nothing left to say: the connection is cut, so that the client sees a
truncation and never a complete answer.

Called by ``proxy.pipeline``.
"""

import json
import logging
from typing import Final

from sidecar.errors import (
    ClientGone,
    Draining,
    KeysUnavailable,
    OverLimit,
    SidecarError,
    SignerBehind,
    TokenError,
    UpstreamBusy,
    UpstreamRefused,
)
from sidecar.proxy.answers import write_answer
from sidecar.proxy.exchange import Exchange

log = logging.getLogger("sidecar.proxy")

#: Seconds after which a client should try again: the reason will have passed, or told apart.
_RETRY_AFTER_S: Final[dict[type[SidecarError], int]] = {
    UpstreamRefused: 1,
    UpstreamBusy: 1,
    OverLimit: 1,
    Draining: 1,
    KeysUnavailable: 5,
    SignerBehind: 5,
}


class InternalError(SidecarError):
    """A fault of ours. The client learns nothing but that; the log has the rest."""

    reason = "internal"
    status = 500
    title = "The proxy failed"


def rescue(exchange: Exchange, error: SidecarError, realm: str) -> None:
    """Answer ``error``, or cut the connection if an answer has begun."""
    exchange.reason = error.reason
    exchange.refused_by = error
    if exchange.status or isinstance(error, ClientGone):
        exchange.keep_alive = False
        exchange.connection.abort()
        return
    if not exchange.is_discardable or not isinstance(error, TokenError):
        exchange.keep_alive = False
    fields = [b"Content-Type: application/problem+json\r\n"]
    if isinstance(error, TokenError) and error.status in (401, 403):
        fields.append(_challenge(error, realm))
    retry_after_s = _RETRY_AFTER_S.get(type(error))
    if retry_after_s is not None:
        fields.append(b"Retry-After: %d\r\n" % retry_after_s)
    write_answer(exchange, error.status, b"".join(fields), problem(exchange, error))


def problem(exchange: Exchange, error: SidecarError) -> bytes:
    """The body of a problem answer (RFC 9457, section 3)."""
    document = {
        "type": f"urn:sidecar:problem:{error.reason}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "reason": error.reason,
        "request_id": exchange.request_id.decode("ascii"),
    }
    return json.dumps(document).encode() + b"\n"


def _challenge(error: TokenError, realm: str) -> bytes:
    """The ``WWW-Authenticate`` field (RFC 6750, section 3). A request without a token gets no error
    code, as that section asks."""
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')  # RFC 9110, section 5.6.4
    challenge = f'Bearer realm="{quoted}"'
    if error.challenge:
        challenge += f', error="{error.challenge}", error_description="{error.title}"'
    return b"WWW-Authenticate: %b\r\n" % challenge.encode("ascii", "replace")
