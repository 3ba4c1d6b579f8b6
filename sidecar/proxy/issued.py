"""Watches the tokens that the application hands out (``auth.issues``), and holds late ones back.

On a watched path the answer waits here until it is whole, is read, and is passed on byte for byte.
Its tokens are in the ledger, and on disk where it must not forget them, before the caller has them.
An answer that should have been readable and was not passes as well: it is counted, and until then
the watching was not whole. Under an enforced switch an answer that hands out an older key's token
does not pass at all. Nothing of a token is kept or logged.

Called by ``proxy.pipeline`` for requests on watched paths only.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sidecar.errors import (
    AnswerTooLarge,
    AnswerTooSlow,
    AnswerUnreadable,
    IssuedNotJwt,
    SignerBehind,
)
from sidecar.net.stream import Stream
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.record import Throttle
from sidecar.rotation.issuing import Issuing
from sidecar.rotation.policy import Policy
from sidecar.tokens.issued import SignedToken, is_behind, parse_issued
from sidecar.tokens.issues import Findings, IssuePlaces
from sidecar.tokens.keyring import Keyring
from sidecar.wire.coding import READABLE, decode_content
from sidecar.wire.head import RequestHead, ResponseHead

log = logging.getLogger("sidecar.proxy")

#: What an encoded body may become. As it came, a body is read up to what a stream holds.
MAX_DECODED_BYTES: Final = 1024 * 1024

#: How long an answer is held back at most, whatever ``upstream.response_timeout`` says.
MAX_WAIT_S: Final = 60.0

# What passes unread may hold tokens of the time until somebody looks at the clock again.
_LOOK_AHEAD_S: Final = 2.0
_LOG_SPAN_S: Final = 60
_ACCEPT_ENCODING: Final = b"accept-encoding"


class IssueWatcher:
    """``look_for_keys`` asks the sources of keys at once, and tells whether that was of use;
    ``record`` returns once the ledger's memory covers what is in it."""

    def __init__(
        self,
        places: IssuePlaces,
        issuing: Issuing,
        keyring: Callable[[], Keyring],
        policy: Policy,
        look_for_keys: Callable[[], Awaitable[bool]],
        record: Callable[[], Awaitable[None]],
    ) -> None:
        self._places = places
        self._issuing = issuing
        self._keyring = keyring
        self._policy = policy
        self._look_for_keys = look_for_keys
        self._record = record
        self._unread: set[Exchange] = set()  # answers that pass unread at this moment
        self._throttle = Throttle(1, span_s=_LOG_SPAN_S)

    def begin(self, x: Exchange) -> None:
        """Find out whether the answer to a request is to be watched, and see to it that it can be
        read: on a watched path the application is not asked for a part of an answer, nor for a
        content coding that is not known here."""
        x.issues = self._places.of(x.head.method, x.target.path)
        if x.issues is not None:
            x.head = _ask_readably(x.head)

    async def read(self, x: Exchange, head: ResponseHead, body: Stream) -> None:
        """Read an answer, interim or final, that nothing was passed on of.

        Raises :class:`SignerBehind`, and whatever broke the body off.
        """
        places = x.issues
        assert places is not None
        failure: AnswerUnreadable | None = None
        if head.status < 200:
            findings = places.find_in_interim(head.values, time.time())
        else:
            content: bytes | None = b""
            if places.needs_body:
                try:
                    content = await _content(x, head, body)
                except AnswerUnreadable as error:
                    content, failure = None, error
            findings = places.find(x.head.method, head.status, head.values, content, time.time())
        await self._take(x, findings, failure)

    def end(self, x: Exchange) -> None:
        """The answer is out."""
        if x in self._unread:
            self._unread.discard(x)
            self._issuing.unwatched(time.time())

    async def sweep(self, now: float) -> None:
        """Called at least once a second: what passes unread has not ended yet."""
        if self._unread:
            self._issuing.unwatched(now + _LOOK_AHEAD_S)
            await self._record()

    async def _take(
        self, x: Exchange, findings: Findings, failure: AnswerUnreadable | None
    ) -> None:
        keyring = self._keyring()
        tokens, wrong = _parse(findings.texts, keyring)
        if any(token.key is None for token in tokens) and await self._look_for_keys():
            keyring = self._keyring()
            tokens, wrong = _parse(findings.texts, keyring)
        now = time.time()
        self._hold_back(tokens, keyring, now)
        for token in tokens:
            if token.key is None:
                self._issuing.issued_unknown(token.issued_at, token.expires_at, now)
                self._tell_unknown(now)
            else:
                self._issuing.issued(token, now)
        failure = failure or findings.failure or wrong
        if failure is not None:
            self._issuing.unreadable_answer(failure.reason, now)
            self._tell_unreadable(x, failure, now)
            if isinstance(failure, AnswerTooLarge | AnswerTooSlow):
                self._unread.add(x)
                self._issuing.unwatched(now + _LOOK_AHEAD_S)
        await self._record()

    def _hold_back(self, tokens: Sequence[SignedToken], keyring: Keyring, now: float) -> None:
        if not self._policy.is_switch_enforced:
            return
        leeway_s = self._policy.leeway_s
        behind = [
            token.key_id
            for token in tokens
            if token.key is not None
            and is_behind(token, keyring.closed_since.get(token.key_id), leeway_s=leeway_s, now=now)
        ]
        for key_id in behind:
            self._issuing.refused(key_id)
        if behind:
            self._tell(
                logging.ERROR,
                "The application still signs with a key that the enforced switch has ended; its "
                "tokens are held back. Switch it to the newer key.",
                now,
                key=behind[0],
            )
            raise SignerBehind

    def _tell_unknown(self, now: float) -> None:
        self._tell(
            logging.ERROR,
            "The application hands out tokens that no key of the keyring verifies, so their "
            "bearers are about to be refused. Give every service the new key before one signs "
            "with it.",
            now,
        )

    def _tell_unreadable(self, x: Exchange, failure: AnswerUnreadable, now: float) -> None:
        self._tell(
            logging.WARNING,
            "An answer that should hold a token could not be read, so what was handed out until "
            "now is not wholly known. Compare auth.issues with what the application answers.",
            now,
            reason=failure.reason,
            request_id=x.request_id.decode("latin-1"),
        )

    def _tell(self, level: int, sentence: str, now: float, **data: object) -> None:
        """Once a minute each, and how often meanwhile."""
        left_out = self._throttle.admit(f"{sentence}{data.get('reason', '')}", now)
        if left_out is not None:
            more = {"left_out": left_out} if left_out else {}
            log.log(level, sentence, extra={"data": {**data, **more}})


def _ask_readably(head: RequestHead) -> RequestHead:
    """The head to forward; one that asks for nothing else stays as it is."""
    asked = head.members(_ACCEPT_ENCODING)
    readable = [member for member in asked if member.partition(b";")[0].rstrip() in READABLE]
    unwanted = {b"range", b"if-range"}
    if len(readable) < len(asked):
        unwanted.add(_ACCEPT_ENCODING)
    fields = [field for field in head.fields if field[0] not in unwanted]
    if len(readable) < len(asked):
        value = b", ".join(readable) or b"identity"
        line = b"Accept-Encoding: %b\r\n" % value
        fields.append((_ACCEPT_ENCODING, b"Accept-Encoding", value, line))
    return head if fields == head.fields else head.having(fields)


async def _content(x: Exchange, head: ResponseHead, body: Stream) -> bytes:
    """The whole body, decoded. It stays in the stream as it came."""
    latest = asyncio.get_running_loop().time() + MAX_WAIT_S
    try:
        async with asyncio.timeout_at(min(x.way.response_deadline(), latest)):
            is_whole = await body.wait_until_whole()
    except TimeoutError:
        raise AnswerTooSlow from None
    if not is_whole:
        raise AnswerTooLarge
    return decode_content(body.peek(), head.members(b"content-encoding"), MAX_DECODED_BYTES)


def _parse(
    texts: Sequence[bytes], keyring: Keyring
) -> tuple[list[SignedToken], IssuedNotJwt | None]:
    tokens: list[SignedToken] = []
    failure: IssuedNotJwt | None = None
    for text in texts:
        try:
            tokens.append(parse_issued(text, keyring))
        except IssuedNotJwt as error:
            failure = error
    return tokens, failure
