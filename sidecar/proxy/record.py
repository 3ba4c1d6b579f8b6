"""What is remembered of an exchange: counters, the ledger of keys, a line in the access log.

The last stage of the pipeline. Writes numbers and names of a closed set; never a token, never the
value of a header field, never a query.
"""

import logging
import time
from typing import Final

from sidecar.errors import TokenError, UpstreamError
from sidecar.metrics.traffic import Traffic
from sidecar.proxy.exchange import Exchange
from sidecar.rotation.ledger import Ledger
from sidecar.tokens.permit import Permit

access_log = logging.getLogger("sidecar.access")

#: Lines about refusals of one reason in one second; the next line says how many were left out.
MAX_LINES_PER_SECOND: Final = 10
_MAX_LOGGED_PATH: Final = 256


class Throttle:
    """At most so many lines a second for each reason, and a count of the rest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seconds: dict[str, tuple[int, int, int]] = {}

    def admit(self, reason: str, now: float) -> int | None:
        """``None`` = leave this line out; else how many were left out since the last one."""
        second = int(now)
        last, lines, left_out = self._seconds.get(reason, (second, 0, 0))
        if last != second:
            lines = 0
        if lines >= self._limit:
            self._seconds[reason] = (second, lines, left_out + 1)
            return None
        self._seconds[reason] = (second, lines + 1, 0)
        return left_out


class Recorder:
    """Takes note of each exchange; ``access`` is ``off``, ``errors`` or ``all``."""

    def __init__(self, traffic: Traffic, ledger: Ledger, access: str) -> None:
        self._traffic = traffic
        self._ledger = ledger
        self._logs_all = access == "all"
        self._logs_errors = access != "off"
        self._throttle = Throttle(MAX_LINES_PER_SECOND)

    @property
    def in_flight(self) -> int:
        """Exchanges that have begun and not ended."""
        return self._traffic.in_flight

    def begin(self) -> None:
        """An exchange begins."""
        self._traffic.in_flight += 1

    def permitted(self, permit: Permit, now: float) -> None:
        """A request was let in: its token is in the ledger before the application has it."""
        if permit.token is not None and permit.refusal is None:
            self._ledger.accepted(permit.token, now)

    def end(self, x: Exchange) -> None:
        """An exchange is over, however it ended."""
        now = time.time()
        duration_s = time.monotonic() - x.started
        status = x.status or 499
        self._traffic.in_flight -= 1
        self._traffic.record(x.head.method, status, duration_s, x.upstream_s)
        self._count_refusal(x, now)
        if x.reason is not None and isinstance(x.refused_by, UpstreamError):
            self._traffic.upstream_error(x.reason)
        if self._logs_all or (self._logs_errors and (x.reason is not None or status >= 500)):
            self._log(x, status, duration_s, now)

    def _count_refusal(self, x: Exchange, now: float) -> None:
        permit, refusal = x.permit, x.refused_by
        if isinstance(refusal, TokenError):
            self._ledger.rejected(
                refusal.reason, refusal.generation, refusal.key_id, enforced=True, now=now
            )
        elif permit is not None and permit.refusal is not None:
            observed = permit.refusal
            self._ledger.rejected(
                observed.reason, observed.generation, observed.key_id, enforced=False, now=now
            )

    def _log(self, x: Exchange, status: int, duration_s: float, now: float) -> None:
        left_out = None
        if not self._logs_all:
            left_out = self._throttle.admit(x.reason or str(status), now)
            if left_out is None:
                return
        data: dict[str, object] = {
            "request_id": x.request_id.decode("latin-1"),
            "peer": x.connection.peer.decode("latin-1"),
            "method": x.head.method,
            "path": x.target.path[:_MAX_LOGGED_PATH].decode("ascii", "backslashreplace"),
            "status": status,
            "duration_ms": round(duration_s * 1000, 3),
            "bytes_in": x.body.total_bytes,
            "bytes_out": x.bytes_out,
        }
        if x.upstream_s is not None:
            data["upstream_ms"] = round(x.upstream_s * 1000, 3)
        if x.permit is not None and x.permit.token is not None:
            data["key"] = x.permit.token.key_id
        if x.reason is not None:
            data["reason"] = x.reason
        if left_out:
            data["left_out"] = left_out
        access_log.info("request", extra={"data": data})
