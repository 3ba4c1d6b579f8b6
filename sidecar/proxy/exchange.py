"""One request and its answer: what is known of them while they pass through the pipeline.

A plain record, without behaviour beyond small questions about itself. Made by
``proxy.connection`` for each request, filled stage by stage by ``proxy.pipeline``, read at the end
by ``proxy.record``.
"""

from typing import Final, Protocol

from sidecar.errors import RequestError
from sidecar.net.flow import Flow
from sidecar.net.stream import Stream, empty_stream
from sidecar.setting import Address
from sidecar.tokens.issues import Places
from sidecar.tokens.permit import Permit
from sidecar.upstream.client import Upstream
from sidecar.wire.framing import Target
from sidecar.wire.head import RequestHead

#: An unread request body up to this size is read and dropped to keep the connection.
MAX_DISCARDED_BYTES: Final = 64 * 1024

_NO_HEAD: Final = RequestHead("-", b"-", 1, [])
_NO_TARGET: Final = Target(b"-", b"-")
_NO_BODY: Final = empty_stream()


class Client(Protocol):
    """What the stages need of the connection that a request came on."""

    peer: bytes
    destination: Address | None
    is_awaiting_upstream: bool

    @property
    def is_draining(self) -> bool: ...
    @property
    def is_stalled(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def abort(self) -> None: ...
    def begin_body(self, length: int, max_bytes: int, *, awaits_us: bool) -> Stream: ...
    def await_body(self) -> None: ...
    def take_early_bytes(self) -> bytes: ...
    def as_flow(self) -> Flow: ...


class Exchange:
    """A request under way.

    ``raw_head`` are the bytes of its head, or ``error`` says why there are none. ``started`` and
    the durations are in seconds of ``time.monotonic``. ``status`` is 0 until an answer begins;
    ``reason`` is the word of the closed set when the answer is our own.
    """

    __slots__ = (
        "body",
        "body_length",
        "bytes_out",
        "connection",
        "error",
        "head",
        "issues",
        "keep_alive",
        "permit",
        "raw_head",
        "reason",
        "refused_by",
        "request_id",
        "started",
        "status",
        "target",
        "upstream_s",
        "wanted_keep_alive",
        "way",
    )

    def __init__(
        self,
        connection: Client,
        raw_head: bytes,
        error: RequestError | None,
        started: float,
    ) -> None:
        self.connection = connection
        self.raw_head = raw_head
        self.error = error
        self.started = started
        self.head = _NO_HEAD
        self.target = _NO_TARGET
        self.body: Stream = _NO_BODY
        self.body_length = 0
        self.request_id = b""
        self.permit: Permit | None = None
        self.keep_alive = False
        self.wanted_keep_alive = True
        self.status = 0
        self.reason: str | None = None
        self.refused_by: Exception | None = None
        self.issues: Places | None = None  # where the answer hands out tokens
        self.upstream_s: float | None = None
        self.way: Upstream  # set as soon as it is known where the request may go
        self.bytes_out = 0

    def __repr__(self) -> str:
        return f"<Exchange {self.head!r} status {self.status or 'open'}>"

    @property
    def has_unread_body(self) -> bool:
        """Whether bytes of the request body are still to come or to be read."""
        return not self.body.has_ended

    @property
    def is_discardable(self) -> bool:
        """Whether what is left of the body is small enough to be read and dropped."""
        if self.body.is_failed:
            return False
        if not self.has_unread_body:
            return True
        return 0 <= self.body_length <= MAX_DISCARDED_BYTES and not self.awaits_us

    @property
    def awaits_us(self) -> bool:
        """Whether the client may hold its body back until it is asked (RFC 9110, 10.1.1)."""
        return b"expect" in self.head.last
