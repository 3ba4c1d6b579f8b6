"""What is remembered of an exchange: counters, the ledger of keys, a line in the access log.

The last stage of the pipeline. Writes numbers and names of a closed set; never a token, never the
value of a header field, never a query.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from sidecar.errors import AmbiguousPath, SidecarError, TokenError, TokenForbidden, UpstreamError
from sidecar.metrics.callers import Callers
from sidecar.metrics.rules import RuleTally
from sidecar.metrics.traffic import Traffic
from sidecar.proxy.exchange import Exchange
from sidecar.rotation.ledger import Ledger
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.permit import NO_SINGLE_RULE, Permit

access_log = logging.getLogger("sidecar.access")

#: Lines about refusals of one reason in one second; a later line says how many were left out.
MAX_LINES_PER_SECOND: Final = 10
_MAX_LOGGED_PATH: Final = 256
_MAX_LOGGED_METHOD: Final = 32


class Throttle:
    """At most so many lines in ``span_s`` seconds for each reason, and a count of the rest."""

    def __init__(self, limit: int, *, span_s: int = 1) -> None:
        self._limit = limit
        self._span_s = span_s
        self._spans: dict[str, tuple[int, int, int]] = {}

    def admit(self, reason: str, now: float) -> int | None:
        """``None`` = leave this line out; else how many were left out since the last one."""
        span = int(now / self._span_s)
        last, lines, left_out = self._spans.get(reason, (span, 0, 0))
        if last != span:
            lines = 0
        if lines >= self._limit:
            self._spans[reason] = (span, lines, left_out + 1)
            return None
        self._spans[reason] = (span, lines + 1, 0)
        return left_out

    def settle(self, now: float) -> dict[str, int]:
        """How many lines were left out for each reason before this span, each told once."""
        span = int(now / self._span_s)
        overdue = {
            reason: left_out
            for reason, (last, _, left_out) in self._spans.items()
            if left_out and last != span
        }
        for reason in overdue:
            del self._spans[reason]
        return overdue


class Recorder:
    """Takes note of each exchange; ``access`` is ``off``, ``errors`` or ``all``."""

    def __init__(
        self,
        traffic: Traffic,
        ledger: Ledger,
        rules: RuleTally,
        access: str,
        callers: Callers,
        keyring: Callable[[], Keyring],
    ) -> None:
        self._traffic = traffic
        self._ledger = ledger
        self._subjects = ledger.subjects
        self._keyring = keyring
        self._rules = rules
        self._callers = callers if callers.is_counting else None
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
        token = permit.token
        if token is None or permit.refusal is not None:
            return
        self._ledger.accepted(token, now)
        if self._subjects is not None and token.key_id != self._keyring().newest:
            self._subjects.note(token.key_id, token.claims, now)

    def end(self, x: Exchange) -> None:
        """An exchange is over, however it ended."""
        now = time.time()
        duration_s = time.monotonic() - x.started
        status = x.status or 499
        self._traffic.in_flight -= 1
        self._traffic.record(x.head.method, status, duration_s, x.upstream_s)
        if self._callers is not None and x.permit is not None:
            self._callers.count(x.head.last, now)
        self._count_refusal(x, now)
        if x.reason is not None and isinstance(x.refused_by, UpstreamError):
            self._traffic.upstream_error(x.reason)
        observed = x.permit.refusal if x.permit is not None else None
        is_trouble = x.reason is not None or observed is not None or status >= 500
        if self._logs_all or (self._logs_errors and is_trouble):
            self._log(x, observed, status, duration_s, now)

    def tell_left_out(self, now: float) -> None:
        """Log how many lines the throttle left out, where no later line will say so."""
        for reason, left_out in self._throttle.settle(now).items():
            data = {"about": reason, "left_out": left_out}
            access_log.info("requests left out of the log", extra={"data": data})

    def _count_refusal(self, x: Exchange, now: float) -> None:
        permit, refusal = x.permit, x.refused_by
        if refusal is None and (permit is None or permit.refusal is None):
            return
        if isinstance(refusal, TokenError):
            self._count(refusal, enforced=True, now=now)
        elif isinstance(refusal, AmbiguousPath):
            self._rules.rejected(NO_SINGLE_RULE, TokenForbidden.reason, enforced=True)
        elif permit is not None and permit.refusal is not None:
            self._count(permit.refusal, enforced=False, now=now)

    def _count(self, refusal: TokenError, *, enforced: bool, now: float) -> None:
        self._ledger.rejected(
            refusal.reason,
            refusal.generation,
            refusal.key_id,
            enforced=enforced,
            now=now,
            issued_at=refusal.issued_at,
        )
        self._rules.rejected(refusal.rule, refusal.reason, enforced=enforced)

    def _log(
        self,
        x: Exchange,
        observed: TokenError | None,
        status: int,
        duration_s: float,
        now: float,
    ) -> None:
        left_out = None
        if not self._logs_all:
            about = x.reason or (observed.reason if observed is not None else str(status))
            left_out = self._throttle.admit(about, now)
            if left_out is None:
                return
        data: dict[str, object] = {
            "request_id": x.request_id.decode("latin-1"),
            "peer": x.connection.peer.decode("latin-1"),
            "method": x.head.method[:_MAX_LOGGED_METHOD],
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
        refusal = x.refused_by if isinstance(x.refused_by, TokenError) else observed
        if refusal is not None and refusal.key_id is not None:
            data["key"] = refusal.key_id  # whose signature held
        if isinstance(x.refused_by, SidecarError):
            data["detail"] = x.refused_by.detail
        if isinstance(x.refused_by, TokenError):
            data["rule"] = x.refused_by.rule
        elif observed is not None:
            data["would_refuse"], data["rule"] = observed.reason, observed.rule
        if left_out:
            data["left_out"] = left_out
        access_log.info("request", extra={"data": data})
