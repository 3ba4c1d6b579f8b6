"""The service's version on its answers: the field ``X-Service-Version``.

Off, this module does not run at all. While the version is unknown it writes nothing: a caller
learns more from a field that is not there than from a wrong one. Called by ``proxy.pipeline``.
"""

from typing import Final

from sidecar.versions.stamp import UNKNOWN
from sidecar.wire.head import Field, ResponseHead

_KEY: Final = b"x-service-version"
_NAME: Final = b"X-Service-Version"


class VersionField:
    """Adds the field; ``replaces``: also where the application wrote one itself."""

    def __init__(self, version: str, *, replaces: bool) -> None:
        self._replaces = replaces
        self._field = None if version == UNKNOWN else _field(version)

    def added(self, head: ResponseHead) -> ResponseHead:
        """An answer's head with the field."""
        field = self._field
        if field is None or (_KEY in head.last and not self._replaces):
            return head
        return head.having([*head.without(_KEY).fields, field])


def _field(version: str) -> Field:
    value = version.encode("ascii", "backslashreplace")
    return (_KEY, _NAME, value, b"%b: %b\r\n" % (_NAME, value))
