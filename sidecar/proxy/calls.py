"""What is said in the requests of the application's own calls, and read in their answers.

Each request says which service and version called, and has a request id and a trace to be found by;
each answer is counted under the dependency that gave it, and the version that it names is taken
note of. Nothing else of a request is changed, and what the application says of these fields itself
stays, but for its own name: what it copied from its caller would be somebody else's.

Called by ``proxy.outbound``, which knows where the bytes go.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from sidecar.dependencies.settings import DependencySettings
from sidecar.metrics.outbound import OTHER, OutboundTraffic
from sidecar.setting import Address, parse_web_url
from sidecar.versions.stamp import UNKNOWN
from sidecar.wire.head import RequestHead, ResponseHead

_OURS: Final = frozenset((b"x-client-service", b"x-client-version"))
_VERSION_FIELD: Final = b"x-service-version"
# trace-flags (W3C Trace Context, section 3.2.2.5)
_TRACE_FLAGS: Final[Mapping[str, bytes]] = {"unsampled": b"00", "sampled": b"01"}
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]")


class Calls:
    """Everything that is the same for all calls. ``version`` is asked for each request;
    ``traceparent`` is one of the setting's words."""

    def __init__(
        self,
        service: str,
        version: Callable[[], str],
        traceparent: str,
        dependencies: Mapping[str, DependencySettings],
        traffic: OutboundTraffic,
    ) -> None:
        self._service = _field_value(service)
        self._version = version
        self._trace_flags = _TRACE_FLAGS.get(traceparent)
        self._names = _by_address(dependencies)
        self._traffic = traffic

    def rewrite(self, destination: Address, head: RequestHead, raw: bytes) -> tuple[bytes, str]:
        """The head to send in place of this one, and the name of the dependency it is for."""
        last = head.last
        if not _OURS.isdisjoint(last):
            raw = _without_ours(raw)
        added = b"X-Client-Service: %b\r\n" % self._service
        version = self._version()
        if version != UNKNOWN:
            added += b"X-Client-Version: %b\r\n" % _field_value(version)
        if b"x-request-id" not in last:
            added += b"X-Request-ID: %032x\r\n" % random.getrandbits(128)
        if self._trace_flags is not None and b"traceparent" not in last:
            added += _traceparent_line(self._trace_flags)
        return raw[:-2] + added + b"\r\n", self.dependency(destination, last.get(b"host", b""))

    def answered(self, dependency: str, head: ResponseHead) -> None:
        """An answer has begun."""
        self._traffic.answered(dependency, head.status)
        claimed_version = head.last.get(_VERSION_FIELD)
        if claimed_version is not None:
            self._traffic.observe(dependency, claimed_version, time.time())

    def dependency(self, destination: Address, host_field: bytes) -> str:
        """The name of the dependency at ``destination``, by the host that the request names or the
        address itself; :data:`OTHER` where none is configured there."""
        host = _host(host_field)
        port = destination.port
        return self._names.get((host, port)) or self._names.get((destination.host, port), OTHER)


def _by_address(dependencies: Mapping[str, DependencySettings]) -> dict[tuple[str, int], str]:
    """The first one at an address has its name."""
    names: dict[tuple[str, int], str] = {}
    for name, settings in dependencies.items():
        address = parse_web_url(settings.url).address
        names.setdefault((address.host.lower().removesuffix("."), address.port), name)
    return names


def _host(field: bytes) -> str:
    """The host of a Host field (RFC 9110, section 7.2), as it is compared."""
    text = field.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def _without_ours(raw: bytes) -> bytes:
    first, *lines = raw.split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].lower() not in _OURS]
    return b"\r\n".join([first, *kept])


def _traceparent_line(flags: bytes) -> bytes:
    # An id of all zeros is invalid; the top bit of each is always set instead of checking for it.
    trace_id = random.getrandbits(128) | 1 << 127
    parent_id = random.getrandbits(64) | 1 << 63
    return b"traceparent: 00-%032x-%016x-%b\r\n" % (trace_id, parent_id, flags)


def _field_value(text: str) -> bytes:
    return _UNSAFE.sub("?", text).encode("ascii")
